"""Python that has torch and benchsuite imported and forks itself for each program that it is asked to run.

Started by ``warm.py`` as ``warm_server.py SOCKET``. Each connection to the socket is served by a fork. It takes one
request per line (JSON: arguments, cwd, environment, out, err), and answers with ``started PID`` and ``ended PID CODE``
lines. Nobody has to end the server: it ends once nobody is connected any more.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, NoReturn

IMPORTED = (
    "benchsuite.api.runs",
    "benchsuite.cli.main",
    "benchsuite.data.builtin",
    "sklearn.datasets",
    "torch._dynamo",  # which torch's optimizers import when the first is made
    "torch.distributed.run",
    "torchvision",
)
OURS = ("benchsuite", "benchsuite_rules", "benchsuite_leaderboard")
"""Packages that are imported with all their modules, which a command imports one by one."""
POLL_S = 0.05
GRACE_S = 5.0
"""Seconds that the server waits for the next connection once none is left."""


def accept(address: Path) -> socket.socket | None:
    """Fork a child per connection; return the connection in its child, and None in the parent at the end."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(address))
    listening.listen()
    children: set[int] = set()
    last = time.monotonic()
    while children or time.monotonic() < last + GRACE_S:
        if select.select([listening], [], [], 0.5)[0]:
            connection, _ = listening.accept()
            pid = os.fork()
            if pid == 0:
                listening.close()
                return connection
            connection.close()
            children.add(pid)
        for pid in sorted(children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                children.remove(pid)
                last = time.monotonic()
    address.unlink(missing_ok=True)
    return None


def serve(requests: BinaryIO, reports: BinaryIO) -> dict[str, Any] | None:
    """Fork a child per request up to an empty line; return a request in its child, and None in the parent.

    Programs that still run then are killed: whoever asked for them may have been killed too.
    """
    alive: set[int] = set()
    while True:
        readable, _, _ = select.select([requests], [], [], POLL_S if alive else None)
        if readable:
            line = requests.readline()
            if not line.strip():
                for pid in alive:
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
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


def become(request: dict[str, Any]) -> NoReturn:
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
    from benchsuite.process import end_process

    end_process(code_of(request["arguments"]))


def code_of(arguments: list[str]) -> int:
    """Run a program and return its exit code; what ends it is told to stderr as an interpreter does."""
    try:
        run_program(arguments)
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


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


def warm_up() -> None:
    """Import what programs import, and compile the site's templates."""
    for name in IMPORTED:
        importlib.import_module(name)
    for package in map(importlib.import_module, OURS):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                with suppress(ImportError):  # of an extra that is not installed
                    importlib.import_module(module.name)
    templates = importlib.import_module("benchsuite_leaderboard.rendering").template_environment()
    for name in templates.list_templates():
        templates.get_template(name)


def main() -> None:
    """Import and serve; a child goes on from here as if it had just been started."""
    warm_up()
    gc.collect()
    gc.freeze()  # so that children share the pages of what is imported
    os.dup2(2, 1)
    connection = accept(Path(sys.argv[1]))
    if connection is None:
        return
    with connection.makefile("rb", buffering=0) as requests, connection.makefile("wb", buffering=0) as reports:
        connection.close()
        request = serve(requests, reports)
    if request is None:
        os._exit(0)  # what is registered for the exit is the server's
    become(request)


if __name__ == "__main__":
    main()
