"""Facts about the present process: its owner, the signals that ask it to stop, the place of its standard output."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import NoReturn

ALIKE = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name))
"""Signals that end a run as Ctrl-C does: of the system, a lost terminal, and Ctrl-\\. Windows has the first alone."""
STOP_SIGNALS = (signal.SIGINT, *ALIKE)
"""All signals that ask this process to stop."""

Handler = Callable[[int, FrameType | None], object] | int | None
"""A handler as ``signal.signal`` takes it: a function, ``SIG_IGN`` or ``SIG_DFL``; None for one not set by Python."""

_owned = False


def own_process() -> None:
    """Note that this process was started for the command alone: no caller's threads or settings are in it."""
    global _owned
    _owned = True


def is_own_process() -> bool:
    """Return True if the command owns this process; False in a notebook, a script or a test."""
    return _owned


def set_signal_handlers(handlers: Mapping[int, Handler]) -> None:
    """Set the handlers of signals, all of them even if one raises meanwhile; its exception is raised at the end.

    A signal may come between any two. Left halfway, some handlers would be of a block that is over: what they take in
    is lost.
    """
    raised: BaseException | None = None
    while True:
        try:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            break
        except (OSError, TypeError, ValueError):  # of a handler that cannot be set
            raise
        except BaseException as error:
            raised = error
    if raised is not None:
        raise raised


def end_at_ctrl_c() -> None:
    """Let Ctrl-C end this process at once, without a traceback of what it does at its exit; all that counts is done."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_process(code: int) -> NoReturn:
    """End this process once its threads have ended and its exit handlers have run.

    Python would then take apart all that is imported, which the system frees at once anyway. With torch, a person waits
    a second for it, and extension modules report what is left as leaks.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # as Python does; waits for threads that are no daemons
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # the reader has gone, or the stream is closed
                stream.flush()
    finally:
        os._exit(code)


@contextlib.contextmanager
def garbage_kept() -> Iterator[None]:
    """Put off the search for unreachable cycles during the block.

    For code that makes many objects which all live on: each search would look at all of them again, in vain.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send what is written to standard output during the block to standard error, also from C code.

    For code of plugins: standard output is for results alone.
    """
    sys.stdout.flush()
    try:
        saved = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # closed, as under some schedulers
        saved = None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)
