"""Checkpoints: complete, atomic, and only continued by the run that wrote them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from benchsuite.errors import StoreError
from benchsuite.files import replaced_atomically

LAYOUT = 4
"""Which entries a checkpoint has, and how each is built; raised whenever one that is there could not be continued."""


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write so that a crash at any moment leaves the old checkpoint or the new one.

    Raises:
        StoreError: if it cannot be written; the old one is then untouched.
    """
    try:
        with replaced_atomically(path) as stream:
            torch.save({"layout": LAYOUT, **content}, stream)
    except RuntimeError as error:
        # How torch's zip writer reports a full disk.
        raise StoreError(f"cannot write checkpoint {path}: {error}") from error


def load_checkpoint(path: Path, result_key: str) -> dict[str, Any] | None:
    """Return a checkpoint's content, or None if there is none that this run may continue.

    A damaged file counts as none, and so does one of another result key (other code, other data) or of another
    version's layout: such a run begins anew. Loaded without unpickling code.
    """
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError):
        return None
    known = (content.get("layout"), content.get("result_key")) == (LAYOUT, result_key)
    return content if known else None
