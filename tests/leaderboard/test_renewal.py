"""Oracle: the site that a full build gives. What an earlier build left may save work and must change no byte."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from benchsuite.errors import StoreError
from benchsuite.papers.published import PublishedNumber
from benchsuite.papers.statements import Papers
from benchsuite.records.reading import record_text
from benchsuite.records.store import read_folder
from benchsuite.specs.models.reference import PublishedValue, ReferenceSpec
from benchsuite_leaderboard import renewal, scan
from benchsuite_leaderboard import site as site_module
from benchsuite_leaderboard.memory import MEMORY
from benchsuite_leaderboard.rendering import template_environment
from benchsuite_leaderboard.site import build_site

from .small_sites import site, write


def test_nothing_is_made_anew_where_nothing_changed(records, tmp_path):
    first = build_site(records, tmp_path / "site")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "site" / "runs").rglob("*.html")}
    second = build_site(records, tmp_path / "site")
    assert (first.rebuilt, second.rebuilt) == (("one", "two"), ())
    assert (second.records, second.tables, second.files) == (first.records, first.tables, first.files)
    assert {p: p.stat().st_mtime_ns for p in before} == before


@pytest.mark.parametrize("change", ["new seed", "other number", "deleted", "new track", "broken"])
def test_a_renewed_site_is_the_full_builds_byte_for_byte(records, make_record, tmp_path, change):
    out = tmp_path / "site"
    build_site(records, out)
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
    renewed = build_site(records, out)
    full = build_site(records, tmp_path / "full")
    assert renewed.rebuilt == (("three",) if change == "new track" else ("one",))
    assert site(out) == site(tmp_path / "full")
    assert [b.reason for b in renewed.broken] == [b.reason for b in full.broken]
    assert len(renewed.broken) == (change == "broken")


def test_a_track_that_is_gone_leaves_no_page(records, tmp_path):
    build_site(records, tmp_path / "site")
    shutil.rmtree(records / "two")
    build_site(records, tmp_path / "site")
    assert not [name for name in site(tmp_path / "site") if "two" in name]


def test_the_same_size_at_another_time_is_read_again(records, tmp_path):
    build_site(records, tmp_path / "site")
    (first, *_) = sorted((records / "one").glob("*.json"))
    text = first.read_text()
    first.write_text(text.replace("0.1437", "0.1437").replace('"seed":0', '"seed":9'))
    os.utime(first, ns=(1, 1))
    assert build_site(records, tmp_path / "site").rebuilt == ("one",)


def test_another_generator_or_other_papers_keep_nothing(records, tmp_path, monkeypatch):
    build_site(records, tmp_path / "site")
    build = partial(build_site, records, tmp_path / "site", papers=lambda _: Papers(key="other"))
    assert build().rebuilt == ("one", "two")
    monkeypatch.setattr(renewal, "generator_hash", lambda: "newer")
    assert build().rebuilt == ("one", "two")
    assert build(fresh=True).rebuilt == ("one", "two")
    assert build().rebuilt == ()


def test_damaged_memory_costs_time_and_nothing_else(records, tmp_path):
    out = tmp_path / "site"
    build_site(records, out)
    expected = site(out)
    for path in (out / MEMORY).rglob("*.json"):
        path.write_text('{"key": ["<script>"], "tables": 3}')
    assert build_site(records, out).rebuilt == ("one", "two")
    assert site(out) == expected


def test_several_processes_give_the_same_site(records, tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "FEW_RECORDS", 0)
    build_site(records, tmp_path / "one", processes=1)
    build_site(records, tmp_path / "two", processes=2)
    assert site(tmp_path / "one") == site(tmp_path / "two")


def test_no_path_of_the_machine_is_in_a_site_even_in_what_it_remembers(records, tmp_path):
    (records / "bad.json").write_text("no")
    build_site(records, tmp_path / "site")
    for path in (tmp_path / "site").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path


def test_a_build_that_fails_changes_nothing_and_leaves_nothing_behind(records, make_record, tmp_path, monkeypatch):
    out = tmp_path / "site"
    build_site(records, out)
    before = site(out)
    write(records / "one", make_record("fa", 2, 0.4, track="one"))

    def fail(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(site_module, "render_shared", fail)
    with pytest.raises(RuntimeError):
        build_site(records, out)
    assert site(out) == before
    assert not list(tmp_path.glob(".*"))


def test_a_page_that_somebody_deleted_comes_back(records, tmp_path):
    """Catches pages that are kept because an earlier build wrote them, and are there no longer."""
    build_site(records, tmp_path / "site")
    before = site(tmp_path / "site")
    (tmp_path / "site" / "tracks" / "one.html").unlink()
    assert build_site(records, tmp_path / "site").rebuilt == ("one",)
    assert site(tmp_path / "site") == before


def test_a_foreign_folder_is_refused_before_anything_is_read(records, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("ten years")
    with pytest.raises(StoreError, match="not a site that benchsuite made"):
        build_site(records, tmp_path / "thesis")


def test_folders_and_records_in_memory_give_the_same_pages(records, make_study, tmp_path):
    (records / "studies").mkdir()
    study = make_study()
    (records / "studies" / "a.json").write_text(study.model_dump_json(), encoding="utf-8")
    build_site(records, tmp_path / "folders")
    in_memory = list(read_folder(records))
    build_site([study, *in_memory], tmp_path / "memory")
    build_site([records / "one", *in_memory, study], tmp_path / "both")
    one, two, three = (site(tmp_path / name) for name in ("folders", "memory", "both"))
    for found in (one, two, three):
        found.pop(".benchsuite-site")  # lists what is remembered too
    assert one == two == three
    assert any(name.startswith("studies/") for name in one)


def test_a_record_in_memory_that_changed_makes_its_track_anew(make_record, make_seeds, tmp_path):
    """Catches pages that are kept since no file of theirs changed."""
    others = make_seeds("backprop", [0.1, 0.11], track="two")
    build_site([make_record("fa", 0, 0.2, track="one"), *others], tmp_path / "site")
    changed = [make_record("fa", 0, 0.4, track="one"), *others]
    assert build_site(changed, tmp_path / "site").rebuilt == ("one",)
    assert build_site(changed, tmp_path / "site").rebuilt == ()
    build_site(changed, tmp_path / "full")
    assert site(tmp_path / "site") == site(tmp_path / "full")


def test_papers_without_a_key_are_told_apart_by_what_they_say(records, make_record, tmp_path):
    """Catches pages that keep a value which was since withdrawn."""
    spec = make_record("fa", track="one").spec
    entry = PublishedValue(track="one", rule="fa", metric="test_error_percent", value=9.5)
    reference = ReferenceSpec(name="a", source="Somebody 1999", entries=(entry,))
    papers = Papers([PublishedNumber(spec, entry, reference)])
    build_site(records, tmp_path / "site", papers=papers)
    assert build_site(records, tmp_path / "site", papers=papers).rebuilt == ()
    assert b"Somebody 1999" in site(tmp_path / "site")["tracks/one.html"]
    assert build_site(records, tmp_path / "site").rebuilt == ("one", "two")
    assert b"Somebody 1999" not in site(tmp_path / "site")["tracks/one.html"]


def test_each_of_a_few_records_is_read_once_and_a_known_one_not_at_all(records, make_record, tmp_path, monkeypatch):
    """Catches a page after a run that takes twice its time: files were read for their track, and then for all else."""
    read = []
    original = Path.open

    def counted(self, *arguments, **options):
        read.extend([self.name] if self.is_relative_to(records) else [])
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", counted)
    build_site(records, tmp_path / "site")
    assert sorted(read) == sorted(path.name for path in records.rglob("*.json"))
    read.clear()
    new = write(records / "one", make_record("fa", 2, 0.4, track="one"))
    read.clear()
    build_site(records, tmp_path / "site")
    assert sorted(read) == sorted({new.name, *(path.name for path in (records / "one").glob("*.json"))})


@pytest.mark.parametrize("few", [0, 300])
def test_a_broken_record_is_listed_once_however_many_there_are(records, tmp_path, monkeypatch, few):
    """Catches a file that only one of the two ways of reading takes for a record of its track."""
    monkeypatch.setattr(scan, "FEW_RECORDS", few)
    (first, *_) = sorted((records / "one").glob("*.json"))
    content = json.loads(first.read_text())
    del content["hardware"]
    first.write_text(json.dumps(content))
    for _ in range(2):
        report = build_site(records, tmp_path / "site")
        assert [(b.path, b.reason.partition(":")[0]) for b in report.broken] == [(first, "hardware")]
    cells = []
    build_site(records, tmp_path / "other", papers=lambda found: cells.append(found) or Papers())
    assert cells == [{("one", "quick"), ("two", "quick")}]


def test_a_record_that_was_refused_stays_so_when_its_track_is_made_again(records, make_record, tmp_path):
    """Catches a file with a key twice that counts in the second build, since only files of the first are trusted."""
    (first, *_) = sorted((records / "one").glob("*.json"))
    text = first.read_text()
    first.write_text(text.replace('"track":', '"track":"two","track":', 1))
    for seed in (2, 3):
        report = build_site(records, tmp_path / "site")
        assert [b.path for b in report.broken] == [first]
        write(records / "one", make_record("fa", seed, 0.4, track="one"))


def test_what_a_killed_build_left_beside_the_site_is_deleted(records, tmp_path):
    """Catches half-built pages that pile up in hidden folders, each as large as the site."""
    left = tmp_path / ".site.abcdefgh.tmp"
    (left / "tracks").mkdir(parents=True)
    young = tmp_path / ".site.ijklmnop.tmp"
    young.mkdir()
    os.utime(left, (0, 0))
    build_site(records, tmp_path / "site")
    assert (left.exists(), young.exists()) == (False, True)


def test_a_download_is_the_file_itself_without_folders_of_the_machine(make_record, tmp_path):
    """Catches a record that is published with the path of somebody's home, since its file's text was taken."""
    plain, private = make_record("fa", 0, track="one"), make_record("fa", 1, track="one")
    private = private.model_copy(update={"command": "benchsuite run one --store /home/somebody/store"})
    for record in (plain, private):
        (tmp_path / "records").mkdir(exist_ok=True)
        (tmp_path / "records" / f"{record.run_id}.json").write_text(record_text(record), encoding="utf-8")
    # In full and without a first look, as with many records.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "FEW_RECORDS", 0)
        build_site(tmp_path / "records", tmp_path / "many")
    build_site(tmp_path / "records", tmp_path / "few")
    published = {p.stem: p.read_text() for p in (tmp_path / "many" / "runs" / "one").glob("*.json")}
    assert published[plain.run_id] == record_text(plain)
    assert published[private.run_id] == record_text(private).replace("/home/somebody/store", "…/store")
    assert site(tmp_path / "many") == site(tmp_path / "few")


def test_compiled_templates_never_lie_in_a_site_and_a_damaged_one_is_not_used(records, tmp_path, monkeypatch):
    """Catches code that runs because somebody's site was copied here, and a page made by half a template."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    template_environment.cache_clear()
    build_site(records, tmp_path / "site")
    compiled = sorted((tmp_path / "cache").rglob("*.cache"))
    for number, path in enumerate(compiled):
        content = path.read_bytes()
        path.write_bytes((b"", b"no code", content[: len(content) // 2])[number % 3])
    assert len(compiled) > 3
    template_environment.cache_clear()
    build_site(records, tmp_path / "full")
    template_environment.cache_clear()
    assert site(tmp_path / "site") == site(tmp_path / "full")
    assert not list((tmp_path / "site").rglob("*.cache"))
