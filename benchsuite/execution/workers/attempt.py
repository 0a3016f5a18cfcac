"""One attempt at a run: a worker, followed from outside until it has ended."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import send_handle

from benchsuite.execution.executor import SendEvent
from benchsuite.execution.interruption import interruptions_deferred
from benchsuite.execution.workers.messages import (
    Deadline,
    Ended,
    Event,
    Logged,
    OnDevice,
    Outcome,
    Request,
    Started,
)
from benchsuite.execution.workers.starting import Server
from benchsuite.records.model import HardwareUsed

POLL_S = 5.0
"""Longest wait for a message: a time limit that is set later is held with this delay at most."""
TIMEOUT_GRACE_S = 5.0
"""Time beyond the deadline: the check inside the run comes first, since it loses no epoch."""
NOTICEABLE_ABSENCE_S = 2 * POLL_S
"""Time between two looks after which this process must have been stopped, or a plugin slow."""
STOP_GRACE_S = 5.0
"""Time from SIGTERM at a deadline to SIGKILL: for the record to be written."""
INTERRUPTION_GRACE_S = 60.0
"""Time from an interruption to SIGKILL: an operation of torch is not interrupted."""
EXIT_GRACE_S = 10.0
"""Time from a worker's last message to SIGKILL."""


class Attempt:
    """A worker that makes one run.

    Attributes:
        outcome: its last message; None if it has sent none.
        status: exit status, as ``os.waitpid`` gives it; None until it has ended, or if the server was lost.
        began: True if the run has begun to train.
        hardware: the device that the run uses, if it was opened.
        timed_out: the reason, if the worker was stopped because its deadline had passed.

    """

    def __init__(self, server: Server, request: Request, emit: SendEvent) -> None:
        self.outcome: Outcome | None = None
        self.status: int | None = None
        self.began = False
        self.hardware: HardwareUsed | None = None
        self.timed_out: str | None = None
        self._emit = emit
        self._pid: int | None = None
        self._ended = False
        self._deadline: Deadline | None = None
        self._present_since = self._looked_at = time.perf_counter()
        self._kill_at: float | None = None
        self._stopping = False
        self._server = server
        self._channel, theirs = Pipe(duplex=False)
        control = server.control
        self._open = [control, self._channel]
        with interruptions_deferred(), theirs:
            try:
                control.send(request)
                send_handle(control, theirs.fileno(), None)
            except OSError:  # the server was lost
                self._lose(control)

    def follow(self) -> None:
        """Pass messages on until the worker has ended; may be interrupted, and called again after that."""
        while not self._ended:
            # Limits are held only when all messages are read: this process may have been stopped, or a plugin slow.
            ready = wait(self._open, 0) or wait(self._open, self._hold_limits())
            for connection in [each for each in self._open if each in ready]:
                self._take(connection)
        with suppress(OSError):
            # Not waited for: a process that the worker left behind may hold the other end.
            os.set_blocking(self._channel.fileno(), False)
        while self._channel in self._open:
            self._take(self._channel)
        self._channel.close()

    def interrupt(self) -> None:
        """Ask the worker to end with a record, and kill it if it does not."""
        self._stop(INTERRUPTION_GRACE_S)

    # --- time ---

    def _hold_limits(self) -> float:
        """Stop a worker whose time is over; return the time until this must be called again."""
        now = time.perf_counter()
        if now - self._looked_at > NOTICEABLE_ABSENCE_S:
            self._present_since = now
        self._looked_at = now
        if self._kill_at is not None and now > self._kill_at:
            self._signal(signal.SIGKILL)
            self._kill_at = now + EXIT_GRACE_S
        # A worker that had to wait for this process tells a later deadline as soon as it goes on.
        last = None if self._deadline is None else max(self._deadline.at, self._present_since) + TIMEOUT_GRACE_S
        if self._deadline is not None and last is not None and self._kill_at is None and now > last:
            self.timed_out, self._deadline, last = self._deadline.reason, None, None
            self._stop(STOP_GRACE_S)
        limits = [self._kill_at, last]
        return max(0.01, min([POLL_S, *(limit - now for limit in limits if limit is not None)]))

    def _stop(self, grace_s: float) -> None:
        self._stopping = True
        self._kill_at = time.perf_counter() + grace_s
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self._pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self._pid, number)

    # --- messages ---

    def _take(self, connection: Connection) -> None:
        """Receive a message whole, with interruptions held back, and act on it."""
        try:
            with interruptions_deferred():
                message = connection.recv()
        except (EOFError, OSError):
            self._lose(connection)
            return
        except Exception as error:  # what a rule wrote into the connection may be anything
            logging.getLogger("benchsuite.execution").warning("a message of a worker was damaged: %s", error)
            self._lose(connection)
            return
        self._act_on(message)

    def _lose(self, connection: Connection) -> None:
        """Take note that a connection is closed: the worker's, or the server's, with which the worker ends."""
        if connection in self._open:
            self._open.remove(connection)
        if connection is self._server.control:
            self._server.is_lost = self._ended = True

    def _act_on(self, message: object) -> None:
        match message:
            case Started(pid):
                self._pid = pid
                if self._stopping:
                    self._signal(signal.SIGTERM)
            case Ended(status):
                self._ended, self.status = True, status
                self._deadline = self._kill_at = None
            case Event(name, arguments):
                self.began = True
                self._emit(name, **arguments)
            case Logged(record):
                logging.getLogger(record.name).handle(record)
            case OnDevice(hardware):
                self.hardware = hardware
            case Deadline():
                self._deadline = message
            case Outcome():
                self.outcome = message
                self._deadline = None
                self._kill_at = time.perf_counter() + EXIT_GRACE_S
