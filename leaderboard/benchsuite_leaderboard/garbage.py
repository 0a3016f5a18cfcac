"""Pause the collector of reference cycles while many objects are made that live until the end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from benchsuite.process import garbage_kept


@contextmanager
def no_collections() -> Iterator[None]:
    """Leave reference cycles alone until the end.

    A track's records are half a million objects. Looking through them for cycles again and again takes a fifth of a
    build's time.
    """
    with garbage_kept():
        gc.freeze()  # what was there before is not looked through at the end
        try:
            yield
        finally:
            # Nearly all that is left of what was made since are cycles, and those of templates hold records.
            gc.collect(0)
            gc.unfreeze()
