"""Oracle: the site that a full build gives. What an earlier build left may save work and must change no byte."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from benchsuite.errors import StoreError
from benchsuite_leaderboard import incremental
from benchsuite_leaderboard.incremental import MEMORY, Papers, Sources, build_from_folders


@pytest.fixture
def records(make_seeds, make_record, tmp_path):
    folder = tmp_path / "records"
    for track in ("one", "two"):
        (folder / track).mkdir(parents=True)
        for record in [*make_seeds("backprop", [0.1, 0.11], track=track), *make_seeds("fa", [0.2, 0.3], track=track)]:
            write(folder / track, record)
    return folder


def write(folder, record):
    path = folder / f"{record.run_id}.json"
    path.write_text(record.model_dump_json(), encoding="utf-8")
    return path


def site(folder: Path) -> dict[str, bytes]:
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(MEMORY)}


def build(records, out, **options):
    return build_from_folders(Sources([records]), out, **options)


def test_nothing_is_made_anew_where_nothing_changed(records, tmp_path):
    first = build(records, tmp_path / "site")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "site" / "runs").rglob("*.html")}
    second = build(records, tmp_path / "site")
    assert (first.rebuilt, second.rebuilt) == (("one", "two"), ())
    assert (second.records, second.tables, second.files) == (first.records, first.tables, first.files)
    assert {p: p.stat().st_mtime_ns for p in before} == before


@pytest.mark.parametrize("change", ["new seed", "other number", "deleted", "new track", "broken"])
def test_a_renewed_site_is_the_full_builds_byte_for_byte(records, make_record, tmp_path, change):
    out = tmp_path / "site"
    build(records, out)
    (first, *_) = sorted((records / "one").glob("*.json"))
    match change:
        case "new seed":
            write(records / "one", make_record("fa", 2, 0.4, track="one"))
        case "other number":
            content = json.loads(first.read_text())
            content["epochs"][-1]["test"]["error"] = 0.9
            first.write_text(json.dumps(content))
        case "deleted":
            first.unlink()
        case "new track":
            write(records, make_record("dfa", 0, 0.4, track="three"))
        case "broken":
            first.write_text("{}")
    renewed = build(records, out)
    full = build(records, tmp_path / "full")
    assert renewed.rebuilt == (("three",) if change == "new track" else ("one",))
    assert site(out) == site(tmp_path / "full")
    assert [b.reason for b in renewed.broken] == [b.reason for b in full.broken]
    assert len(renewed.broken) == (change == "broken")


def test_a_track_that_is_gone_leaves_no_page(records, tmp_path):
    build(records, tmp_path / "site")
    shutil.rmtree(records / "two")
    build(records, tmp_path / "site")
    assert not [name for name in site(tmp_path / "site") if "two" in name]


def test_the_same_size_at_another_time_is_read_again(records, tmp_path):
    build(records, tmp_path / "site")
    (first, *_) = sorted((records / "one").glob("*.json"))
    text = first.read_text()
    first.write_text(text.replace("0.1437", "0.1437").replace('"seed":0', '"seed":9'))
    os.utime(first, ns=(1, 1))
    assert build(records, tmp_path / "site").rebuilt == ("one",)


def test_another_generator_or_other_papers_keep_nothing(records, tmp_path, monkeypatch):
    build(records, tmp_path / "site")
    sources = Sources([records], papers=lambda _: Papers(key="other"))
    assert build_from_folders(sources, tmp_path / "site").rebuilt == ("one", "two")
    monkeypatch.setattr(incremental, "_generator", lambda: "newer")
    assert build_from_folders(sources, tmp_path / "site").rebuilt == ("one", "two")
    assert build_from_folders(sources, tmp_path / "site", fresh=True).rebuilt == ("one", "two")


def test_damaged_memory_costs_time_and_nothing_else(records, tmp_path):
    out = tmp_path / "site"
    build(records, out)
    expected = site(out)
    for path in (out / MEMORY).rglob("*.json"):
        path.write_text('{"key": ["<script>"], "tables": 3}')
    assert build(records, out).rebuilt == ("one", "two")
    assert site(out) == expected


def test_several_processes_give_the_same_site(records, tmp_path, monkeypatch):
    monkeypatch.setattr(incremental, "FEW_RECORDS", 0)
    build(records, tmp_path / "one", processes=1)
    build(records, tmp_path / "two", processes=2)
    assert site(tmp_path / "one") == site(tmp_path / "two")


def test_no_path_of_the_machine_is_in_a_site_even_in_what_it_remembers(records, tmp_path):
    (records / "bad.json").write_text("no")
    build(records, tmp_path / "site")
    for path in (tmp_path / "site").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path


def test_a_build_that_fails_changes_nothing_and_leaves_nothing_behind(records, make_record, tmp_path, monkeypatch):
    out = tmp_path / "site"
    build(records, out)
    before = site(out)
    write(records / "one", make_record("fa", 2, 0.4, track="one"))

    def fail(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(incremental, "render_shared", fail)
    with pytest.raises(RuntimeError):
        build(records, out)
    assert site(out) == before
    assert not list(tmp_path.glob(".*"))


def test_a_foreign_folder_is_refused_before_anything_is_read(records, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("ten years")
    with pytest.raises(StoreError, match="not a site that benchsuite made"):
        build(records, tmp_path / "thesis")


def test_folders_and_records_in_memory_give_the_same_pages(records, make_seeds, tmp_path):
    from benchsuite.records.store import read_folder
    from benchsuite_leaderboard.site import build_site

    build(records, tmp_path / "folders")
    build_site(list(read_folder(records)), tmp_path / "memory")
    one, two = site(tmp_path / "folders"), site(tmp_path / "memory")
    one.pop(".benchsuite-site"), two.pop(".benchsuite-site")
    assert one == two
