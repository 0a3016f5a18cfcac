"""Complete checkpoints, written atomically and resumed only by the run that wrote them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from benchsuite.errors import StoreError
from benchsuite.files import replaced_atomically

LAYOUT = 4
"""Version of a checkpoint's entries and their format; raised whenever an older checkpoint could not be resumed."""


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically: a crash at any moment leaves the old one or the new one.

    Raises:
        StoreError: if it cannot be written; the old one is then unchanged.
    """
    try:
        with replaced_atomically(path) as stream:
            torch.save({"layout": LAYOUT, **content}, stream)
    except RuntimeError as error:
        # torch's zip writer reports a full disk as a RuntimeError.
        raise StoreError(f"cannot write checkpoint {path}: {error}") from error


def load_checkpoint(path: Path, result_key: str) -> dict[str, Any] | None:
    """Return a checkpoint's content, or None if there is none that this run may resume.

    A damaged file counts as none. So does a file with another result key (other code, other data) or with the layout
    of another version. The run then starts from the beginning. No code is unpickled.
    """
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError):
        return None
    known = (content.get("layout"), content.get("result_key")) == (LAYOUT, result_key)
    return content if known else None
