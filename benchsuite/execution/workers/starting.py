"""Start a server: fork it from this process if that is safe, else start a fresh interpreter."""

from __future__ import annotations

import atexit
import gc
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from multiprocessing import Pipe

import torch

from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.execution.run_factory import RunFactory
from benchsuite.execution.workers.messages import Request
from benchsuite.execution.workers.server import serve
from benchsuite.execution.workers.server_handle import Server
from benchsuite.execution.workers.worker import MakeRunState
from benchsuite.process import is_own_process
from benchsuite.registry.manager import installed_registry

BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from benchsuite.execution.workers.fresh import main; main(int(sys.argv[1]))"
)
"""Code that a fresh interpreter runs: never the caller's script."""


def can_make_workers(factory: RunFactory) -> bool:
    """Return True if this system can fork, and a server will have the plugins of this session."""
    if not hasattr(os, "fork") or not sys.executable:
        return False
    return is_own_process() or factory.registry is installed_registry()


def may_fork_here(devices: set[str]) -> bool:
    """Return True if a child of this process can use torch.

    The process must be the command's own, which has used one torch thread so far: with threads in use, GNU OpenMP hangs
    in a child. CUDA cannot be used in a child of a process that has initialised it. macOS's libraries cannot be used in
    a child at all.
    """
    return (
        is_own_process()
        and sys.platform.startswith("linux")
        and devices <= {"cpu"}
        and not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        and threading.active_count() == 1
        and torch.get_num_threads() == 1
    )


def fork_server(prepare: Callable[[Request], None], make_run_state: MakeRunState) -> Server:
    """Fork a server from this process; it has all that this process has loaded."""
    keep_freed_memory()
    ours, theirs = Pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Python counts the threads of BLAS, which are safe: it ends them before a fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        # A collection would write to all pages that the processes share. Not collected first, for the same reason.
        gc.freeze()
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setpgid(0, 0)  # a terminal's signals are for the command alone
            ours.close()
            serve(theirs, prepare, make_run_state)
            code = 0
        finally:
            os._exit(code)
    gc.unfreeze()
    theirs.close()
    return Server(ours, lambda: os.waitpid(pid, 0))


_fresh: dict[int, Server] = {}
"""The fresh server of this process, by its id: a child that the caller forks must not use it. It is kept for later
sessions, because it has imported torch, which takes seconds."""


def fresh_server() -> Server:
    """Return the fresh server of this process; start it if there is none."""
    if os.getpid() not in _fresh:
        ours, theirs = Pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", BOOT, str(theirs.fileno()), json.dumps(sys.path)],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
        )
        theirs.close()
        _fresh[os.getpid()] = Server(ours, process.wait)
    return _fresh[os.getpid()]


def forget_fresh_server() -> None:
    """Close the fresh server, if there is one; the next session starts another."""
    server = _fresh.pop(os.getpid(), None)
    if server is not None:
        server.close()


atexit.register(forget_fresh_server)
