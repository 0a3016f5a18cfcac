"""Keep a result that its store cannot take: in a new temporary folder, or else on standard output."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchsuite.errors import StoreError

PREFIX = "benchsuite-rescued-"
"""Start of the name of a temporary folder that holds a rescued record."""


def rescued(name: str, text: str, store: Path, error: StoreError) -> StoreError:
    """Put a record's text where it is not lost, and return the store's error with the place added.

    Args:
        name: of the file.
        text: of the record.
        store: folder that could not take it.
        error: of the store.

    """
    try:
        # Not a fixed name: another user of a shared temporary folder could have put a link there.
        path = Path(tempfile.mkdtemp(prefix=PREFIX)) / name
        path.write_text(text, encoding="utf-8")
    except OSError:
        sys.stdout.write(text)
        sys.stdout.flush()
        place = f"no other folder could be written either: the result is on standard output; save it as {name}"
    else:
        place = f"the result is not lost: it is {path}"
    return StoreError(f"{error}\n{place}, and `benchsuite import` it into {store} once that can be written")
