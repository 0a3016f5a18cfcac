"""Availability checks that several data sets share. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from benchsuite.data.kind import Availability
from benchsuite.data.roots import OFFLINE_VARIABLE, is_offline


def look_for_folders(root: Path, names: tuple[str, ...]) -> Availability:
    """Look whether a folder holds others."""
    missing = [split for split in names if not (root / split).is_dir()]
    if missing:
        return Availability(False, f"{root}: no folder {' or '.join(missing)}")
    return Availability(True, str(root))


def download_plan() -> str:
    """Return what a run would do about files that are missing and can be downloaded."""
    return f"{OFFLINE_VARIABLE} forbids the download" if is_offline() else "downloaded when first used"
