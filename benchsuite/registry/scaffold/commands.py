"""Commands for the reader of a new project, by what this environment has: pip, uv, or uv as a module of Python."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


def install_command(project: Path) -> str:
    """Return the command that installs a project into this environment, so that changes of its files count.

    pytest is installed with it where it is missing: the shell would find another Python's, which has no benchsuite.
    """
    wanted = shlex.quote(str(project)) + ("" if find_spec("pytest") is not None else " pytest")
    if find_spec("pip") is not None:
        return f"pip install -e {wanted}"
    # Without --python, uv takes the active environment or that of the folder, which may be another one; and as a
    # module it takes that of the Python which runs it, whatever is active.
    found = {Path(os.environ.get("VIRTUAL_ENV", "")).resolve() if not _is_under_uv_run() else None, *_environments()}
    chosen_anyway = Path(sys.prefix).resolve() in found and shutil.which("uv") is not None
    python = "" if chosen_anyway else f" --python {shlex.quote(sys.executable)}"
    return f"{_uv()} pip install -e {wanted}{python}"


def in_this_environment(command: str) -> str:
    """Return a command as the reader has to type it: within ``uv run`` if that is how this process was started."""
    return f"{_uv()} run {command}" if _is_under_uv_run() else command


def _is_under_uv_run() -> bool:
    return "UV_RUN_RECURSION_DEPTH" in os.environ


def _uv() -> str:
    return "uv" if shutil.which("uv") else "python3 -m uv"


def _environments() -> list[Path]:
    """Return the folders in which uv looks for an environment: of the current folder and those above it."""
    here = Path.cwd()
    return [(folder / ".venv").resolve() for folder in (here, *here.parents)][:8]
