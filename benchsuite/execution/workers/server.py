"""The server: has torch, plugins and data in memory, forks a worker per request and waits for their ends."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle

from benchsuite.execution.workers.messages import Ended, Request, Started
from benchsuite.execution.workers.worker import MakeRunState, work


def serve(control: Connection, prepare: Callable[[Request], None], make_run_state: MakeRunState) -> None:
    """Fork a worker per request until the command closes the connection or dies; then end the workers too.

    Args:
        control: from the command; a request is followed by the descriptor of the connection for the worker.
        prepare: loads in this process what the worker of a request will need.
        make_run_state: called in the worker.

    """
    # Optimizers import it when the first is made, which takes seconds: here once for all workers. Not a step instead:
    # where there is a GPU, that would initialise CUDA, which cannot be used in a child then.
    import torch._dynamo  # noqa: F401

    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Kept for the worker until it can handle it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    gc.freeze()
    workers: set[int] = set()
    while True:
        ready = wait([control, woken])
        if control in ready:
            try:
                request: Request = control.recv()
                channel = Connection(recv_handle(control), readable=False)
            except (EOFError, OSError):
                break
            prepare(request)
            worker = os.fork()
            if worker == 0:
                signal.set_wakeup_fd(-1)
                for inherited in (woken, wake):
                    os.close(inherited)
                control.close()
                work(request, channel, make_run_state)
            channel.close()
            workers.add(worker)
            control.send(Started(worker))
        if woken in ready:
            os.read(woken, 512)
        for worker in sorted(workers):
            ended, status = os.waitpid(worker, os.WNOHANG)
            if ended:
                end_group(worker)  # what it started may outlive it, and hold the run's lock
                workers.remove(worker)
                with suppress(OSError):
                    control.send(Ended(worker, status))
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
        end_group(worker)


def end_group(worker: int) -> None:
    """Kill all that a worker started in its process group, and the worker itself."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
