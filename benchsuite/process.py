"""Facts about the present process: whether the command owns it, and where its standard output goes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

_owned = False


def own_process() -> None:
    """Note that this process was started for the command alone: no caller's threads or settings are in it."""
    global _owned
    _owned = True


def is_own_process() -> bool:
    """Return True if the command owns this process; False in a notebook, a script or a test."""
    return _owned


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
