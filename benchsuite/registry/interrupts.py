"""Tell Ctrl-C from a ``KeyboardInterrupt`` that a plugin raises itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from benchsuite.process import STOP_SIGNALS, set_signal_handlers


@dataclass
class Stop:
    """A watch for signals to stop; ``came`` is True once there was one."""

    came: bool = False


@contextmanager
def watched_for_stop() -> Iterator[Stop]:
    """Note if a signal that asks to stop comes during the block; the signal is handled as before.

    A ``KeyboardInterrupt`` without a signal is code's own, as one in a plugin's module. Other threads than the main one
    get no signals, so there it always is.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: handler for number in STOP_SIGNALS if callable(handler := signal.getsignal(number))}

    def handle(number: int, frame: FrameType | None) -> None:
        stop.came = True
        before[signal.Signals(number)](number, frame)

    try:
        set_signal_handlers(dict.fromkeys(before, handle))
        yield stop
    finally:
        set_signal_handlers(before)
