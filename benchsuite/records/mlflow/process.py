"""The command's side of the mirror's process: started at once, told of events, never waited for during runs.

Imports nothing but the standard library, so that a command can start the process before anything else.
"""

from __future__ import annotations

import atexit
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from logging import LogRecord
from typing import IO, Any

BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from benchsuite.records.mlflow.follower import main; sys.exit(main())"
)
"""Code that the process's interpreter runs: never the caller's script."""


# --- to the process ---


@dataclass(frozen=True)
class Event:
    """An event of a session, for the recorder in the mirror's process.

    Attributes:
        at_s: time of the event in seconds since 1970; the process may handle it much later.
        name: name of the recorder's method.
        arguments: the method's arguments, as plain data and specs: the process has no plugins.

    """

    at_s: float
    name: str
    arguments: dict[str, Any]


# --- from the process ---


@dataclass(frozen=True)
class Handled:
    """Events were handled.

    Attributes:
        events: number of events.
        mirrored: number of the session's records that MLflow has now.

    """

    events: int
    mirrored: int


@dataclass(frozen=True)
class Warned:
    """The session's one warning."""

    message: str


@dataclass(frozen=True)
class Logged:
    """A record of a logger of the suite."""

    record: LogRecord


@dataclass(frozen=True)
class Gone:
    """The process has ended; nothing more will come."""

    status: int


Reply = Handled | Warned | Logged | Gone


class MirrorProcess:
    """A fresh interpreter that imports MLflow while the command prepares its runs, and mirrors what it is told.

    It ends with the command: a process that was killed leaves it with what was sent, which it writes before it ends.

    Attributes:
        unhandled: number of events that were sent and not handled yet.

    Raises:
        OSError: if no process can be started.

    """

    def __init__(self) -> None:
        self.unhandled = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", BOOT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the command alone, which decides what becomes of the mirror
        )
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def send(self, name: str, **arguments: Any) -> None:
        """Send an event; returns at once, however slow the process is."""
        message = pickle.dumps(Event(time.time(), name, arguments))
        if not self._threads:
            # Only now: a process with threads cannot be forked for workers.
            self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]
            for thread in self._threads:
                thread.start()
        self.unhandled += 1
        self._outbox.put(message)

    def receive(self, wait_s: float = 0.0) -> Reply | None:
        """Return the next reply; None if none comes within ``wait_s``."""
        try:
            reply = self._replies.get(timeout=wait_s) if wait_s else self._replies.get_nowait()
        except queue.Empty:
            return None
        if isinstance(reply, Handled):
            self.unhandled -= reply.events
        return reply

    def close(self) -> None:
        """End the process, whatever it is doing; `benchsuite sync` does what it has not done."""
        self._process.terminate()
        self._outbox.put(None)
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None  # noqa: S101 - it was started with pipes
            with suppress(OSError):
                pipe.close()
        self._process.wait()

    def _write(self) -> None:
        pipe: IO[bytes] | None = self._process.stdin
        assert pipe is not None  # noqa: S101 - it was started with pipes
        with suppress(OSError):  # it has ended: the other thread sees it too
            while (message := self._outbox.get()) is not None:
                pipe.write(message)
                pipe.flush()

    def _read(self) -> None:
        pipe: IO[bytes] | None = self._process.stdout
        assert pipe is not None  # noqa: S101 - it was started with pipes
        with suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                self._replies.put(pickle.load(pipe))  # noqa: S301 - from a process of our own
        self._replies.put(Gone(self._process.wait()))


_kept: dict[int, MirrorProcess] = {}
"""The mirror's process of this process, by its id: a child that the caller forks must not use it."""


def kept_process() -> MirrorProcess | None:
    """Return the mirror's process, started if there is none; None if this system cannot start one.

    It is kept for later sessions, because it has imported MLflow, which takes seconds.
    """
    if os.getpid() not in _kept:
        if not sys.executable:
            return None
        try:
            _kept[os.getpid()] = MirrorProcess()
        except OSError:
            return None
    return _kept[os.getpid()]


def forget_process() -> None:
    """End the mirror's process, if there is one; the next session starts another."""
    process = _kept.pop(os.getpid(), None)
    if process is not None:
        process.close()


atexit.register(forget_process)
