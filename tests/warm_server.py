"""Python that has torch and benchsuite imported and forks itself for each program that it is asked to run.

Started by ``warm.py``. Reads one request per line from stdin (JSON: arguments, cwd, environment, out, err), and writes
``started PID`` and ``ended PID CODE`` lines to stdout.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

IMPORTED = (
    "benchsuite.api.runs",
    "benchsuite.cli.main",
    "benchsuite.data.builtin",
    "sklearn.datasets",
    "torch._dynamo",  # which torch's optimizers import when the first is made
    "torch.distributed.run",
    "torchvision",
)
POLL_S = 0.05


def serve(requests: BinaryIO, reports: BinaryIO) -> dict[str, Any] | None:
    """Fork a child per request up to an empty line; return a request in its child, and None in the parent."""
    alive: set[int] = set()
    while True:
        readable, _, _ = select.select([requests], [], [], POLL_S if alive else None)
        if readable:
            line = requests.readline()
            if not line.strip():
                return None
            pid = os.fork()
            if pid == 0:
                requests.close()
                reports.close()
                request: dict[str, Any] = json.loads(line)
                return request
            alive.add(pid)
            reports.write(f"started {pid}\n".encode())
        for pid in sorted(alive):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                alive.remove(pid)
                reports.write(f"ended {pid} {os.waitstatus_to_exitcode(status)}\n".encode())


def become(request: dict[str, Any]) -> None:
    """Run a program as a new interpreter would: in a session, a folder and an environment of its own."""
    os.setsid()
    for path, flags, descriptor in (
        (os.devnull, os.O_RDONLY, 0),
        (request["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 1),
        (request["err"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 2),
    ):
        os.dup2(os.open(path, flags), descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    # What an interpreter puts on its path when it starts.
    sys.path[:0] = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    # A shell lets what it starts in the background ignore Ctrl-C, and CI may be started so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run_program(request["arguments"])


def run_program(arguments: list[str]) -> None:
    """Run what ``python ARGUMENTS…`` runs: ``-m MODULE``, ``-c CODE`` or a script, each with its own arguments."""
    match arguments:
        case ["-m", module, *_]:
            sys.argv = arguments[1:]
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *_]:
            sys.argv = ["-c", *arguments[2:]]
            sys.path.insert(0, "")
            sys.modules["__main__"] = main_module = ModuleType("__main__")
            exec(compile(code, "<string>", "exec"), vars(main_module))  # noqa: S102 (a test's own code)
        case [script, *_]:
            sys.argv = list(arguments)
            sys.path.insert(0, str(Path(script).parent))
            runpy.run_path(script, run_name="__main__")


def main() -> None:
    """Import, say so, and serve; a child goes on from here as if it had just been started."""
    for name in IMPORTED:
        importlib.import_module(name)
    atexit.register(gc.unfreeze)  # extension modules complain at the end of what they see as leaks
    gc.collect()
    gc.freeze()  # so that children share the pages of what is imported
    requests, reports = (os.fdopen(os.dup(fd), mode, buffering=0) for fd, mode in ((0, "rb"), (1, "wb")))
    os.dup2(2, 1)
    reports.write(b"ready\n")
    request = serve(requests, reports)
    if request is not None:
        become(request)


if __name__ == "__main__":
    main()
