"""One attempt at a run: a worker, followed from outside until it has ended; several at the same time."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait

from benchsuite.execution.executor import SendEvent
from benchsuite.execution.interruption import interruptions_deferred
from benchsuite.execution.workers.messages import Deadline, Event, Logged, OnDevice, Outcome, Request
from benchsuite.execution.workers.server_handle import Server
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
        has_ended: True if the worker is gone; ``read_the_rest`` then gives what it had sent before.
        is_interrupted: True if the worker was asked to end with a record.

    """

    def __init__(self, server: Server, request: Request, emit: SendEvent) -> None:
        self.outcome: Outcome | None = None
        self.status: int | None = None
        self.began = False
        self.hardware: HardwareUsed | None = None
        self.timed_out: str | None = None
        self.has_ended = False
        self.is_interrupted = False
        self.server = server
        self._emit = emit
        self._pid: int | None = None
        self._deadline: Deadline | None = None
        self._present_since = self._looked_at = time.perf_counter()
        self._kill_at: float | None = None
        self._stopping = False
        self.channel, theirs = Pipe(duplex=False)
        self.is_open = True
        """False once nothing more can come through the channel."""
        with interruptions_deferred(), theirs:
            server.send(request, theirs, self)

    def read_the_rest(self) -> None:
        """Take all messages that the worker sent before it ended, and close the channel."""
        with suppress(OSError):
            # Not waited for: a process that the worker left behind may hold the other end.
            os.set_blocking(self.channel.fileno(), False)
        while self.is_open:
            self.take()
        self.channel.close()

    def interrupt(self) -> None:
        """Ask the worker to end with a record, and kill it if it does not."""
        self.is_interrupted = True
        self._stop(INTERRUPTION_GRACE_S)

    # --- from the server ---

    def worker_started(self, pid: int) -> None:
        """Store the worker's process id, and stop it if that was asked for before it was there."""
        self._pid = pid
        if self._stopping:
            self._signal(signal.SIGTERM)

    def worker_ended(self, status: int | None) -> None:
        """Store the worker's exit status; None if it was lost with its server."""
        self.has_ended, self.status = True, status
        self._deadline = self._kill_at = None

    # --- time ---

    def hold_limits(self) -> float:
        """Stop a worker whose time is over; return the time until this must be called again.

        Call it when all messages are read: this process may have been stopped, or a plugin slow.
        """
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

    def take(self) -> None:
        """Receive a message whole, with interruptions held back, and act on it."""
        try:
            with interruptions_deferred():
                message = self.channel.recv()
        except (EOFError, OSError):
            self.is_open = False
            return
        except Exception as error:  # what a rule wrote into the connection may be anything
            logging.getLogger("benchsuite.execution").warning("a message of a worker was damaged: %s", error)
            self.is_open = False
            return
        self._act_on(message)

    def _act_on(self, message: object) -> None:
        match message:
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


def follow(attempts: Sequence[Attempt]) -> None:
    """Pass messages on until a worker has ended; may be interrupted, and called again after that."""
    while not any(attempt.has_ended for attempt in attempts):
        channels = {attempt.channel: attempt for attempt in attempts if attempt.is_open}
        servers = {attempt.server.control: attempt.server for attempt in attempts}
        ready = wait([*servers, *channels], 0)
        silent = [attempt for attempt in attempts if attempt.channel not in ready]
        longest_wait = min((attempt.hold_limits() for attempt in silent), default=0.0)
        for connection in ready or wait([*servers, *channels], longest_wait):
            if connection in channels:
                channels[connection].take()
        told = wait(list(servers), 0)
        for control, server in servers.items():
            if control in told:
                server.receive()
