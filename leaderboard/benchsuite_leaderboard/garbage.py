"""Pause the collector of reference cycles while many objects are made that live until the end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collections() -> Iterator[None]:
    """Leave reference cycles alone until the end.

    A track's records are half a million objects. Looking through them for cycles again and again takes a fifth of a
    build's time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Only what was made since, of which nearly nothing is left but cycles: those that templates make hold records.
        gc.collect(0)
        if was_enabled:
            gc.enable()
