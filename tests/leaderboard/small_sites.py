"""Records of two tracks on disk, and the files of a site that is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite_leaderboard.memory import MEMORY


@pytest.fixture
def records(make_seeds, make_record, tmp_path):
    """Return a folder of records: two rules of two seeds on each of two tracks."""
    folder = tmp_path / "records"
    for track in ("one", "two"):
        (folder / track).mkdir(parents=True)
        for record in [*make_seeds("backprop", [0.1, 0.11], track=track), *make_seeds("fa", [0.2, 0.3], track=track)]:
            write(folder / track, record)
    return folder


def write(folder, record):
    """Write a record as a file; return its path."""
    path = folder / f"{record.run_id}.json"
    path.write_text(record.model_dump_json(), encoding="utf-8")
    return path


def site(folder: Path) -> dict[str, bytes]:
    """Return the files of a site, without what a build remembers for the next one."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(MEMORY)}
