"""Handling of Ctrl-C and other signals that ask to stop during runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from benchsuite.process import ALIKE, STOP_SIGNALS, Handler, set_signal_handlers

_was_interrupted = False


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Handle a signal: raise ``KeyboardInterrupt``, and remember it for ``raise_if_interrupted``."""
    global _was_interrupted
    _was_interrupted = True
    raise KeyboardInterrupt


def raise_if_interrupted() -> None:
    """Raise ``KeyboardInterrupt`` if a signal came and training goes on.

    Python only prints an exception that is raised in a callback of its own, as in the ``__del__`` of torch's loaders.
    """
    if _was_interrupted:
        raise KeyboardInterrupt


def forget_interruptions() -> None:
    """Begin or end a session: in a notebook or a job, one before may have been interrupted."""
    global _was_interrupted
    _was_interrupted = False


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Make SIGTERM, SIGHUP and SIGQUIT end a run as Ctrl-C does: with its state saved and a record.

    One that is ignored stays so, as SIGHUP under ``nohup``. Ctrl-C keeps a handler that is not Python's own.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    forget_interruptions()
    before: dict[int, Handler] = {number: signal.getsignal(number) for number in ALIKE}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.default_int_handler
    kept = [number for number, handler in before.items() if handler is signal.SIG_IGN and number is not signal.SIGTERM]
    try:
        set_signal_handlers({number: interrupt for number in before if number not in kept})
        yield
    finally:
        forget_interruptions()
        set_signal_handlers({n: signal.SIG_DFL if handler is None else handler for n, handler in before.items()})


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` at the first signal that asks to stop during the block, and ignore further ones.

    For a block that handles the interruption itself, and must not be interrupted in that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            raise KeyboardInterrupt

    found = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    before = {number: handler for number, handler in found.items() if handler not in (None, signal.SIG_IGN)}
    try:
        set_signal_handlers(dict.fromkeys(before, interrupt))
        yield
    finally:
        set_signal_handlers(before)


@contextmanager
def interruptions_deferred() -> Iterator[None]:
    """Hold back signals that ask to stop during the block; the first that came is raised after it.

    For short work that must not stop halfway, such as writing a record. A person or a scheduler may send a second
    signal while the first is still being handled.
    """
    came: list[int] = []
    try:
        with _stop_signals_handled_by(lambda number, _frame: came.append(number)):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextmanager
def interruptions_ignored() -> Iterator[None]:
    """Ignore signals that ask to stop during the block, which ends what was asked to stop already."""
    with _stop_signals_handled_by(signal.SIG_IGN):
        yield


@contextmanager
def _stop_signals_handled_by(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> Iterator[None]:
    """Set another handler of all signals that ask to stop, for the length of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A handler that was not set by Python cannot be restored, so it is left in place.
    before = {number: found for number in STOP_SIGNALS if (found := signal.getsignal(number)) is not None}
    try:
        set_signal_handlers(dict.fromkeys(before, handler))
        yield
    finally:
        set_signal_handlers(before)
