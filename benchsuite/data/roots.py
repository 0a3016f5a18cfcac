"""The folder of data sets on this machine, and the offline switch. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

DATA_ROOT_VARIABLE = "BENCHSUITE_DATA"
OFFLINE_VARIABLE = "BENCHSUITE_OFFLINE"

ANOTHER_ROOT = f"name another data root with --data-root or {DATA_ROOT_VARIABLE}"
"""The remedy that ends every message about a missing file."""


def find_data_root(explicit: str | os.PathLike[str] | None = None) -> Path:
    """Return the data root, the folder of all data sets; it need not exist yet.

    Args:
        explicit: value of ``--data-root``; an empty string counts as not given.

    Returns:
        ``explicit``, else the environment's ``BENCHSUITE_DATA``, else ``benchsuite/data`` in the user's cache folder.
    """
    chosen = explicit or os.environ.get(DATA_ROOT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("benchsuite", appauthor=False) / "data"


def resolve_in_root(path: str, data_root: Path) -> Path:
    """Return a spec's ``path`` as a path on this machine; relative paths start at the data root."""
    return data_root / Path(path).expanduser()


def is_offline() -> bool:
    """Return whether ``BENCHSUITE_OFFLINE`` forbids downloads: any value except empty, 0, false or no."""
    return os.environ.get(OFFLINE_VARIABLE, "").strip().lower() not in {"", "0", "false", "no"}
