"""The command's side of a server: sends requests, and tells each attempt what became of its worker."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import Protocol

from benchsuite.execution.interruption import interruptions_deferred
from benchsuite.execution.workers.messages import Ended, Request, Started


class Requester(Protocol):
    """Receiver of what a server tells about one worker."""

    def worker_started(self, pid: int) -> None:
        """Receive the worker's process id."""

    def worker_ended(self, status: int | None) -> None:
        """Receive the worker's exit status; None if it was lost with its server."""


class Server:
    """A server that this process has started.

    Attributes:
        control: connection to it.
        is_lost: True if it has ended by itself.
        in_use: held while it has a worker, for callers with several threads; one thread may hold it several times.

    """

    def __init__(self, control: Connection, reap: Callable[[], object]) -> None:
        self.control = control
        self.is_lost = False
        self.in_use = threading.RLock()
        self._reap = reap
        self._without_worker: deque[Requester] = deque()
        self._with_worker: dict[int, Requester] = {}

    def send(self, request: Request, channel: Connection, requester: Requester) -> None:
        """Request a worker that writes to a connection; not to be interrupted."""
        self._without_worker.append(requester)
        try:
            self.control.send(request)
            send_handle(self.control, channel.fileno(), None)
        except OSError:
            self._lose()

    def receive(self) -> None:
        """Receive one message, with interruptions held back, and tell the requester."""
        with interruptions_deferred():
            try:
                message = self.control.recv()
            except (EOFError, OSError):
                self._lose()
                return
            match message:
                case Started(pid):
                    requester = self._with_worker[pid] = self._without_worker.popleft()
                    requester.worker_started(pid)
                case Ended(pid, status):
                    self._with_worker.pop(pid).worker_ended(status)

    def _lose(self) -> None:
        """Take note that the server has ended, and its workers with it."""
        self.is_lost = True
        for requester in (*self._without_worker, *self._with_worker.values()):
            requester.worker_ended(None)
        self._without_worker.clear()
        self._with_worker.clear()

    def close(self) -> None:
        """End the server, and its workers if it has any."""
        self.control.close()
        with suppress(ChildProcessError):
            self._reap()
