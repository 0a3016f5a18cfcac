"""Lint a folder of records."""

from __future__ import annotations

from pathlib import Path

from benchsuite.api.options import PathLike
from benchsuite.api.study_records import study_problems
from benchsuite.errors import EmptySelectionError
from benchsuite.records.lint import LintReport, lint_folder


def lint(folder: PathLike) -> LintReport:
    """Check a folder of records for a reviewer.

    Finds broken files, wrong names and hashes, contradictions, duplicates, mixed tracks, missing seeds, uncommitted
    code and absolute paths.

    Args:
        folder: folder of records; its subfolders are checked too.

    Returns:
        ``.findings`` by path, ``.records`` read, and ``.is_clean`` if no finding is a problem.

    Raises:
        EmptySelectionError: if there is no such folder.

    Example:
        >>> import benchsuite as bs
        >>> results = bs.run("digits-fc", rules="backprop", seeds=1, tier="smoke")
        >>> done = bs.export("out")
        >>> bs.lint("out").records
        1

    """
    if not Path(folder).is_dir():
        raise EmptySelectionError(f"{folder} is not a folder; `benchsuite export --out {folder}` makes one")
    return lint_folder(Path(folder), study_problems)
