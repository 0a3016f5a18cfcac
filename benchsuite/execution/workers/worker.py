"""A worker: the process that makes one run and tells the command what happens."""

from __future__ import annotations

import faulthandler
import logging
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from benchsuite.errors import BenchsuiteError, InterruptedRunError, RunningElsewhereError, TimeBudgetSpentError
from benchsuite.execution.interruption import interrupt, interruptions_deferred
from benchsuite.execution.run import Run
from benchsuite.execution.workers.messages import Deadline, Event, Logged, OnDevice, Outcome, Request
from benchsuite.training.clock import Clock
from benchsuite.training.device import Device

PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>: have the kernel send this process a signal when its parent ends."""
KILLED_FIRST = "500"
"""Of 1000: when memory runs out, the kernel ends a worker rather than the command."""
LONGEST_STRETCH_S = 3600.0
"""Time that a run with a time budget may spend in one piece off the clock, if its budget is not longer."""
NOTICEABLE_WAIT_S = 0.5
"""A command that reads no messages for longer, because it was stopped, must not cost the run its time."""

MakeRunState = Callable[[Request, Any], Run]
"""Returns the run of a request, which has not started; gets the function that sends its events."""


class Line:
    """The worker's connection to the command."""

    def __init__(self, channel: Connection) -> None:
        self.channel = channel
        self._lock = threading.Lock()

    def send(self, message: object) -> None:
        """Send a message whole: a signal in the middle of it waits."""
        with interruptions_deferred(), self._lock:
            self.channel.send(message)

    def emit(self, event: str, **arguments: object) -> None:
        """Send an event for the command's plugins."""
        self.send(Event(event, arguments))

    def put_nowait(self, record: logging.LogRecord) -> None:
        """Send a log record; named as ``QueueHandler`` expects."""
        self.send(Logged(record))


def longest_stretch_s(limit: float) -> float:
    """Return the time that one stretch off the clock may take, such as an evaluation, in a run with a time budget.

    Long, because it is no part of the budget: it only has to end a run that hangs.
    """
    return max(limit, LONGEST_STRETCH_S)


class TimeBudget:
    """Deadline of what a run is doing, told to the command whenever its training clock starts or stops.

    On the clock that is the rest of the protocol's time budget; off the clock, the time for one stretch.

    Args:
        limit: the protocol's time budget in seconds.
        clock: the run's.
        line: to the command.

    """

    def __init__(self, limit: float, clock: Clock, line: Line) -> None:
        self.limit = limit
        self.clock = clock
        self.line = line
        self.deadline = Deadline(float("inf"), "")
        self._trains = False
        self._paused_at: tuple[float, float] | None = None

    def switch(self, purpose: str | None) -> None:
        """Note what is on the clock from now on; see ``Clock.on_switch``."""
        now = time.perf_counter()
        if purpose == "train":
            if self._paused_at is not None:  # diagnostics between two steps are over
                deadline, since = self._paused_at
                at = deadline + now - since
            else:
                at = now + self.limit - self.clock.spent.get("train", 0.0)
            self._paused_at = None
            self._set(at, f"more than {self.limit:g} s on the clock")
        else:
            if self._trains:
                self._paused_at = None if purpose is None else (self.deadline.at, now)
            stretch = longest_stretch_s(self.limit)
            self._set(
                now + stretch, f"more than {stretch:g} s off the clock ({purpose or 'between two parts of the run'})"
            )
        self._trains = purpose == "train"

    def _set(self, at: float, reason: str) -> None:
        self.deadline = Deadline(at, reason)
        began = time.perf_counter()
        self.line.send(self.deadline)
        waited = time.perf_counter() - began
        if waited > NOTICEABLE_WAIT_S:
            self._set(at + waited, reason)

    @property
    def is_over(self) -> bool:
        """True if the run goes on past the deadline."""
        return time.perf_counter() > self.deadline.at


def work(request: Request, channel: Connection, make_run_state: MakeRunState) -> None:
    """Make the run of a request in this process, which was forked for it, and end the process."""
    line = Line(channel)
    try:
        _become_worker(request)
        outcome = _make(request, line, make_run_state)
        line.send(outcome)
        # Processes that decode images are killed by the server: they wait for seconds, one after the other, for a word
        # that does not arrive if the garbage collector takes their queues before their loader.
    except BaseException:
        traceback.print_exc()
        _end(1)
    _end(0)


def _end(code: int) -> None:
    """End this process at once: no exit handlers of the command, no waiting for a rule's threads."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(code)


def _become_worker(request: Request) -> None:
    """Make this process fit for code of others: group, output, signals, environment and torch's settings."""
    os.setpgid(0, 0)
    _die_with_parent()
    _redirect(request)
    faulthandler.enable(all_threads=False)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, interrupt)
    for name in ("SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    request.torch_state.apply()


def _die_with_parent() -> None:
    """Let the kernel end this process with the server, and rather than the command when memory runs out (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(KILLED_FIRST, encoding="ascii")


def _redirect(request: Request) -> None:
    """Send all output to the run's log, and read nothing."""
    try:
        log = os.open(request.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError:  # a store that was closed for writing meanwhile is reported when the record is written
        log = os.open(os.devnull, os.O_WRONLY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for the life of the process
    sys.stdout = open(1, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115


def _make(request: Request, line: Line, make_run_state: MakeRunState) -> Outcome:
    logger = logging.getLogger("benchsuite")
    logger.handlers[:] = [QueueHandler(line)]  # type: ignore[arg-type] # it needs put_nowait alone
    logger.propagate = False
    try:
        run = make_run_state(request, line.emit)
        _watch(run, line, request.at_once)
        record = run.execute(unless_finished=not request.remake)
    except InterruptedRunError as stop:
        return Outcome("interrupted", stop.record)
    except RunningElsewhereError:
        return Outcome("elsewhere")
    except KeyboardInterrupt:  # before the run began, or a second time after its record was written
        return Outcome("interrupted")
    except Exception as error:
        return Outcome("failed", error=_portable(error))
    return Outcome("made" if run.found is None else "found", record)


def _portable(error: Exception) -> Exception:
    """Return the error as it can be sent, with its traceback as a note unless it is an expected failure."""
    text = "".join(traceback.format_exception(error))
    error.__cause__ = error.__context__ = None
    try:
        sent: Exception = pickle.loads(pickle.dumps(error.with_traceback(None)))  # noqa: S301 - our own
    except Exception:
        return RuntimeError(text)
    if not isinstance(sent, BenchsuiteError):
        sent.add_note(text)
    return sent


def _watch(run: Run, line: Line, at_once: int) -> None:
    """Tell the command of the run's device and deadlines, and end the run on SIGTERM as what it is."""
    state = run.state
    limit = run.spec.protocol.timeout_s
    budget = None if limit is None else TimeBudget(limit, state.clock, line)
    if budget is not None:
        state.clock.on_switch = budget.switch
        budget.switch("setup")

    def tell_device(device: Device) -> None:
        if at_once > 1:
            note = (
                f"one of up to {at_once} runs at the same time on this machine; its times are not those of a run alone"
            )
            device = replace(device, used=device.used.model_copy(update={"notes": (*device.used.notes, note)}))
            state.device = device
        line.send(OnDevice(device.used))

    state.on_device = tell_device

    def stop(number: int, frame: FrameType | None) -> None:
        if budget is not None and budget.is_over:
            raise TimeBudgetSpentError(budget.deadline.reason)
        interrupt(number, frame)

    signal.signal(signal.SIGTERM, stop)
    # Blocked by the server, so that none meets a worker that is not ready for it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
