"""Oracle: Python's own HTML parser, and the promises of ``build_site``."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.errors import StoreError
from benchsuite.records.store import BrokenRecord
from benchsuite_leaderboard import output
from benchsuite_leaderboard.pages import tracks
from benchsuite_leaderboard.site import build_site

from ..built_site import pages_of

VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "'-alert(1)-'",
    "{{ 7 * 7 }}{% raw %}",
    "\u2028\u2029\u202e\x00",
    "javascript:alert(1)",
]


class Page(HTMLParser):
    """Every element with its attributes, the text outside scripts, and the content of each JSON script."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.data.append(data)
        else:
            self.text += data


def check_no_live_element(html: str) -> Page:
    page = Page(html)
    assert page.open == []
    for tag, attributes in page.elements:
        assert tag not in {"img", "iframe", "object", "embed", "style", "form", "base"}
        assert not [a for a in attributes if a.startswith("on")]
        for name in ("href", "src"):
            assert (
                not (attributes.get(name) or "").lower().lstrip().startswith(("javascript:", "http:", "https:", "//"))
            )
        if tag == "script":
            assert attributes.get("type") == "application/json" or "static/" in (attributes.get("src") or "")
    for script in page.data:
        json.loads(script)
    return page


def everything(make_record, make_seeds, make_angles):
    angles = [
        make_record("dfa", s, 0.2 + s / 100, diagnostics=make_angles(s, 3), config={"scale": 1}) for s in range(3)
    ]
    return [
        *make_seeds("backprop", [0.1, 0.11, 0.12]),
        *angles,
        *make_seeds("fa", [0.3, 0.31]),
        make_record("fa", 2, 0.9, status="diverged", reason="the loss was not finite in epoch 2"),
        *make_seeds("backprop", [0.1, 0.11, 0.12], hardware_class="gpu"),
        *make_seeds("backprop", [0.2, 0.21], track="other-track"),
        BrokenRecord(Path("/home/somebody/store/records/0a.json"), "document: Invalid JSON"),
    ]


@pytest.fixture
def records(make_record, make_seeds, make_angles):
    return everything(make_record, make_seeds, make_angles)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_report_counts_what_went_in(records, tmp_path):
    report = build_site(records, tmp_path / "site")
    assert (report.records, report.tables) == (14, 2)
    assert report.statuses == {"completed": 13, "diverged": 1}
    assert len(report.broken) == 1
    assert report.index.is_file()
    assert sorted([*report.files, output.MARKER]) == sorted(contents(tmp_path / "site"))


def test_the_same_records_give_the_same_bytes_in_any_order(records, tmp_path):
    build_site(records, tmp_path / "one")
    random.Random(3).shuffle(records)  # noqa: S311 - an order, not a secret
    build_site(records, tmp_path / "two")
    build_site(records, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_bytes_do_not_depend_on_the_hash_seed_of_the_process(records, tmp_path):
    """Python orders sets by a seed of its own; one that reaches a page would change it from day to day."""
    records_folder = tmp_path / "records"
    records_folder.mkdir()
    for number, record in enumerate(r for r in records if not isinstance(r, BrokenRecord)):
        (records_folder / f"{number}.json").write_text(record.model_dump_json())
    code = (
        "import sys; from pathlib import Path; from benchsuite_leaderboard.site import build_site\n"
        "build_site(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        out = tmp_path / f"site{seed}"
        subprocess.run([sys.executable, "-c", code, str(records_folder), str(out)], check=True, env=environment)
    assert contents(tmp_path / "site1") == contents(tmp_path / "site2")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_stays_text(make_record, make_angles, hostile):
    fields = {"config": {hostile: [hostile, {hostile: hostile}]}, "hardware_class": hostile, "precision": hostile}
    fields |= {"command": hostile, "dataset": {"title": hostile}, "architecture": {"title": hostile}}
    angles = [a.model_copy(update={"segment": hostile, "diagnostic": hostile}) for a in make_angles(0, 2)]
    records = [make_record("rule", s, 0.1, diagnostics=angles, **fields) for s in range(2)]
    records.append(make_record("rule", 2, 0.1, status="crashed", reason=hostile, **fields))
    records += [make_record("rule", s, 0.1, **(fields | {"config": {"other": hostile}})) for s in range(2)]
    pages = pages_of([*records, BrokenRecord(Path(f"/x/{hostile}"), hostile)], title=hostile)
    assert {"index.html", "tracks/digits-fc.html"} <= set(pages)
    for html in (text for name, text in pages.items() if name in {"index.html", "tracks/digits-fc.html"}):
        page = check_no_live_element(html)
        if hostile.isprintable():
            assert hostile in page.text


@given(text=st.text(max_size=60))
@settings(max_examples=25, deadline=None)
def test_no_text_whatever_breaks_out_of_its_place(make_record, text):
    records = [
        make_record("rule", s, 0.1, config={"k": text}, hardware_class=text, command=text or "x", reason=text)
        for s in range(2)
    ]
    for name, html in pages_of(records).items():
        if name.endswith(".html"):
            check_no_live_element(html)


def test_every_failed_run_shows_with_its_status_and_reason(records, tmp_path):
    build_site(records, tmp_path / "site")
    text = Page((tmp_path / "site/tracks/digits-fc.html").read_text()).text
    assert "1 diverged" in text
    assert "diverged (seed 2): the loss was not finite in epoch 2" in text
    assert "incomplete: 2 of 3 seeds" in text


@pytest.mark.parametrize("joules", [None, 7250.0])
def test_energy_has_a_column_where_it_is_known(make_record, tmp_path, joules):
    build_site([make_record("one", 0, 0.1, train_energy_j=joules), make_record("two", 0, 0.1)], tmp_path)
    html = (tmp_path / "tracks" / "digits-fc.html").read_text()
    assert ("kJ per run" in html) == (joules is not None)
    assert ("<summary>7.25</summary><p>the whole GPU, counted by NVML</p>" in html) == (joules is not None)
    heads, cells = html.count('<th scope="col"'), html.split('<th scope="row"')[1].split("</tr>")[0].count("<td")
    assert heads == cells + 2


@pytest.mark.parametrize("error", [None, 0.0725])
def test_the_top5_error_has_a_column_where_it_is_known(make_record, tmp_path, error):
    """Catches a row one cell short, whose numbers then stand below the next column's heading."""
    one = [make_record("one", seed, 0.1, top5_error=error, classes=100) for seed in range(2)]
    two = make_record("two", 0, 0.1, classes=100)
    build_site([*one, two], tmp_path)
    html = (tmp_path / "tracks" / "digits-fc.html").read_text()
    assert ("<span>Top-5 error" in html) == (error is not None)
    assert ('data-value="0.0725">7.25 ± 0.00</td>' in html) == (error is not None)
    assert html.count('<td class="n none" data-value="">–</td>') == (error is not None)
    assert html.count('<td class="n">7.25</td>') == (0 if error is None else 2)
    rows = [row.split("</tr>")[0] for row in html.split('<th scope="row"')[1:]]
    assert len(rows) == 2
    assert {row.count("<td") + 2 for row in rows} == {html.count('<th scope="col"')}
    for run in html.split('<table class="runs">')[1:]:
        head, first = (run.split("<tr")[place].split("</tr>")[0] for place in (1, 2))
        assert head.count("<th ") + head.count("<th>") == first.count("<td")
    of_run = (tmp_path / "runs" / "digits-fc" / f"{one[0].run_id}.html").read_text()
    assert ("<span>top-5 error <b>7.25 %</b></span>" in of_run) == (error is not None)
    for rule, is_shown in (("one", error is not None), ("two", False)):
        of_rule = (tmp_path / "rules" / f"{rule}.html").read_text()
        assert ("<span>Top-5 error" in of_rule) == is_shown
        body = of_rule.split('<th scope="row"')[-1].split("</tr>")[0]
        assert body.count("<td") + 1 == of_rule.split('id="results-table"')[1].count('<th scope="col"')


def test_broken_records_are_listed_without_the_folder_they_came_from(records, tmp_path):
    build_site(records, tmp_path / "site")
    html = (tmp_path / "site/index.html").read_text()
    assert "records/0a.json" in html
    assert "Invalid JSON" in html
    assert "somebody" not in html


def test_a_site_of_broken_records_only_still_builds(tmp_path):
    report = build_site([BrokenRecord(Path("a/b.json"), "empty")], tmp_path / "site")
    assert report.records == 0
    assert "No usable record" in report.index.read_text()


def test_charts_hold_the_numbers_of_the_records(records):
    html = pages_of(records)["tracks/digits-fc.html"]
    specs = [json.loads(s) for s in Page(html).data]
    learning = specs[0]
    labels = {row["r"]: row["label"] for row in learning["datasets"]["rows"]}
    drawn = {(labels[p["r"]], p["e"]): p["m"] for p in learning["data"]["values"]}
    assert drawn["dfa", 3] == pytest.approx(21.0)
    assert drawn["fa", 3] == pytest.approx(30.5), "the diverged seed is in the mean"
    (trace_end,) = learning["layer"][4]["data"]["values"]
    assert (trace_end["why"], trace_end["s"], trace_end["e"]) == ("diverged", 2, 3)
    assert len(specs) == 1 + 2, "one learning curve, one angle chart per segment"


def test_every_link_and_script_leads_to_a_file_of_the_site(records, tmp_path):
    build_site(records, tmp_path / "site")
    for path in (tmp_path / "site").rglob("*.html"):
        page = check_no_live_element(path.read_text())
        ids = {a["id"] for _, a in page.elements if "id" in a}
        assert len(ids) == sum("id" in a for _, a in page.elements)
        for _, attributes in page.elements:
            address = attributes.get("href") or attributes.get("src") or "data:"
            file, _, anchor = address.partition("#")
            target = path.parent / file if file else path
            if not address.startswith("data:"):
                assert target.resolve().is_file(), address
                assert not anchor or f'id="{anchor}"' in target.read_text()


def test_nothing_of_ours_names_an_address(records, tmp_path):
    build_site(records, tmp_path / "site")
    for name, content in contents(tmp_path / "site").items():
        if not name.startswith("static/vendor/"):
            assert b"://" not in content, name


def test_pages_stay_under_a_megabyte(make_record, make_angles):
    """Ten rules, ten seeds, 200 epochs, two segments: what a paper tier may hold."""
    curve = [0.9 / (1 + e) + 0.012345678 for e in range(200)]
    records = [
        make_record(f"rule-{r}", s, curve=curve, diagnostics=make_angles(s, 200) if s < 2 else ())
        for r in range(10)
        for s in range(10)
    ]
    pages = pages_of(records)
    assert max(len(p.encode()) for p in pages.values()) < 1_000_000


def test_a_track_name_that_is_a_path_is_refused(make_seeds):
    (record,) = make_seeds("rule", [0.1])
    spec = record.spec.model_copy(update={"track": "../../etc/passwd"})
    with pytest.raises(ValueError, match="not a valid name"):
        pages_of([record.model_copy(update={"spec": spec})])


def test_foreign_files_are_neither_overwritten_nor_deleted(records, tmp_path):
    out = tmp_path / "site"
    out.mkdir()
    (out / "thesis.tex").write_text("ten years")
    with pytest.raises(StoreError, match="not a site that benchsuite made"):
        build_site(records, out)
    assert contents(out) == {"thesis.tex": b"ten years"}


def test_a_rebuild_removes_old_pages_and_leaves_foreign_files(records, make_seeds, tmp_path):
    out = tmp_path / "site"
    build_site(records, out)
    (out / "CNAME").write_text("board")
    build_site(make_seeds("backprop", [0.1]), out)
    assert not (out / "tracks/other-track.html").exists()
    assert (out / "CNAME").read_text() == "board"
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_foreign_file_in_the_place_of_a_page_stops_the_build(records, make_seeds, tmp_path):
    out = tmp_path / "site"
    build_site(make_seeds("backprop", [0.1]), out)
    before = contents(out)
    (out / "tracks/other-track.html").write_text("mine")
    with pytest.raises(StoreError, match="other-track"):
        build_site(records, out)
    assert contents(out) == before | {"tracks/other-track.html": b"mine"}


def test_a_marker_that_names_files_outside_deletes_nothing(make_seeds, tmp_path):
    out = tmp_path / "site"
    build_site(make_seeds("backprop", [0.1]), out)
    victim = tmp_path / "victim.txt"
    victim.write_text("keep")
    marker = json.loads((out / output.MARKER).read_text())
    marker["files"] += ["../victim.txt", str(victim), "static/../../victim.txt"]
    (out / output.MARKER).write_text(json.dumps(marker))
    build_site(make_seeds("backprop", [0.1]), out)
    assert victim.read_text() == "keep"


def test_a_link_inside_the_site_is_not_written_through(make_seeds, tmp_path):
    out, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    build_site(make_seeds("backprop", [0.1]), out)
    elsewhere.mkdir()
    (out / "tracks/digits-fc.html").unlink()
    (out / "tracks").rmdir()
    (out / "tracks").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="link"):
        build_site(make_seeds("backprop", [0.1]), out)
    assert not list(elsewhere.iterdir())


def test_a_build_that_fails_leaves_the_old_site(records, make_seeds, tmp_path, monkeypatch):
    out = tmp_path / "site"
    build_site(make_seeds("backprop", [0.1]), out)
    before = contents(out)

    def fail(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(tracks, "alignment_charts", fail)
    with pytest.raises(RuntimeError):
        build_site(records, out)
    assert contents(out) == before


def test_a_new_site_that_cannot_be_finished_leaves_nothing(records, tmp_path, monkeypatch):
    original = Path.write_bytes
    written = []

    def fail_at_fifth(self, data):
        written.append(self)
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", fail_at_fifth)
    with pytest.raises(StoreError, match="No space left"):
        build_site(records, tmp_path / "site")
    assert not list(tmp_path.iterdir())


def test_files_can_be_read_by_a_web_server(make_seeds, tmp_path):
    """Temporary files are private to the user; a site renamed from them would answer 403."""
    reference = tmp_path / "reference"
    reference.write_text("")
    for _ in range(2):
        report = build_site(make_seeds("backprop", [0.1]), tmp_path / "site")
    assert stat.S_IMODE(report.index.stat().st_mode) == stat.S_IMODE(reference.stat().st_mode)
