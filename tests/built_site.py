"""A site's files as texts: what the product's builder writes for some records, read back from a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchsuite_leaderboard.inputs import RecordSource
from benchsuite_leaderboard.site import build_site


def pages_of(records: Iterable[RecordSource], **options: Any) -> dict[str, str]:
    """Build a site and return its pages and downloads by path within it, without what all sites have.

    Args:
        records: as ``build_site`` takes them.
        options: of ``build_site``.

    """
    with tempfile.TemporaryDirectory() as folder:
        report = build_site(records, Path(folder, "site"), **options)
        names = [name for name in report.files if not name.startswith(("static/", "."))]
        return {name: Path(report.out, name).read_bytes().decode("utf-8") for name in names}
