"""Interpreters that begin with what takes longest to import: forked from one that has imported it.

A worker of a parallel run spends 10 s of a core on imports before its first test, and three do at once on two cores.
With ``serve SOCKET`` this script imports once and forks an interpreter for each connection. With ``python SOCKET
ARGUMENTS…`` it stands for ``python ARGUMENTS…``: it hands its descriptors, folder and environment to a fork and waits
for its end.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

IMPORTED = (
    "mlflow.tracking",
    "scipy.special",
    "scipy.stats",
    "sklearn.datasets",
    "torch",
    "torch._dynamo",  # which torch's optimizers import when the first is made
    "torchvision",
)
"""Neither ours nor pytest's plugins, whose assertions are rewritten, and whose lines are counted, by the import."""
VARIABLE = "BENCHSUITE_TESTS_FORKED_PYTHON"
"""Environment variable with the socket, if there is one."""
PATIENCE_S = 120.0


def python_command() -> list[str]:
    """Return the beginning of a command that runs ``python``: a forked one where there is one."""
    address = os.environ.get(VARIABLE)
    return [sys.executable, "-I", "-S", __file__, "python", address] if address else [sys.executable]


def serve(address: str) -> None:
    """Import, then fork for each connection until whoever started this process has ended."""
    import gc
    import importlib
    import select
    import signal

    for name in IMPORTED:
        with suppress(ImportError):  # a test that needs it says so
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that forks share the pages of what is imported
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks for the forks' exit codes
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{address}.new")
    listening.listen()
    Path(f"{address}.new").rename(address)
    while sys.stdin not in (ready := select.select([listening, sys.stdin], [], [])[0]):
        assert ready
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            become(connection)
        connection.close()
    os._exit(0)  # extension modules complain at the end of what the collector leaves alone


def become(connection: socket.socket) -> NoReturn:
    """Run a program as a new interpreter would; the connection stays open until its end."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as sent:
        request = json.loads(sent.readline())
    os.setsid()
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    from warm_server import code_of

    sys.path.remove(str(Path(__file__).parent))
    code = code_of(request["arguments"])
    connection.close()
    sys.exit(code)


def stand_for_python(address: str, arguments: list[str]) -> None:
    """Let a fork run the program with this process's descriptors, and wait for its end."""
    connection = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.connect(address)
        except OSError:  # it is still importing
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            break
    socket.send_fds(connection, [b"\0"], [0, 1, 2])
    request = {"arguments": arguments, "cwd": str(Path.cwd()), "environment": dict(os.environ)}
    connection.sendall(json.dumps(request).encode() + b"\n")
    # Whoever reads from the program sees its end only once nobody else holds the other end.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    connection.recv(1)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", address]:
            serve(address)
        case ["python", address, *arguments]:
            # Of Python's own options, xdist gives only -u; it flushes all that it writes.
            stand_for_python(address, [word for word in arguments if word != "-u"])
