"""Oracle: remarks on a few records, and the rows they should stand beside."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchsuite.records.model import RunRecord
from benchsuite.records.reading import BrokenRecord
from benchsuite.records.remarks import PlacedRemark, Remark, read_remarks
from benchsuite.records.store import read_folder, read_tunings
from benchsuite.records.tuning import TuningRecord
from benchsuite.results.tables import summarize
from benchsuite_leaderboard.remarks import remarks_by_row
from benchsuite_leaderboard.site import build_site
from tests.built_site import pages_of
from tests.factories import make_seeds, make_tuned_seeds, make_tuning

from .small_sites import site

LEADERBOARD = Path(__file__).resolve().parents[2] / "leaderboard"
TUNINGS = [make_tuning("fa", (0.2, 0.1)), make_tuning("fa", (0.2, 0.1, 0.05, 0.4))]


def remark(text: str, *rules: str, tier: str = "quick", track: str = "digits-fc", label_has: str = "") -> PlacedRemark:
    made = Remark.model_validate({"tier": tier, "rules": rules, "label_has": label_has, "text": text})
    return PlacedRemark(track, made, Path("somewhere/remarks") / f"{track}.yaml", 3)


@pytest.fixture(scope="module")
def rows() -> list[object]:
    """Return records of two rules at two tiers; one rule has a row that a longer tuning has replaced."""
    tuned = [*make_tuned_seeds(TUNINGS[0], [0.3, 0.31, 0.32]), *make_tuned_seeds(TUNINGS[1], [0.2, 0.21, 0.22])]
    return [*make_seeds("backprop", [0.1, 0.11]), *make_seeds("backprop", [0.1, 0.11], tier="paper"), *tuned]


def beside(page: str) -> list[tuple[str, str]]:
    """Return the label of each row of a track's page and the text of its remarks."""
    found = []
    for row in re.findall(r'<tbody id="row-.*?</tbody>', page, re.DOTALL):
        text = re.search(r"<summary>Looked into</summary>(.*?)</details>", row, re.DOTALL)
        label = re.search(r'<th scope="row" data-value="([^"]+)"', row)
        assert label
        found.append((label[1], " ".join(re.sub(r"<[^>]+>", " ", text[1]).split()) if text else ""))
    return found


def test_a_remark_stands_beside_its_rule_at_its_tier_alone(rows: list[object]) -> None:
    """Catches a finding shown at another rule, at another tier, or unescaped."""
    pages = pages_of(
        rows, tunings=TUNINGS, remarks=[remark("a <b>fault</b>", "backprop"), remark("both", "backprop", "fa")]
    )
    assert sorted(beside(pages["tracks/digits-fc.html"])) == [
        ("backprop", ""),
        ("backprop", "a &lt;b&gt;fault&lt;/b&gt; both"),
        ("fa, tuned (2 trials)", ""),
        ("fa, tuned (4 trials)", "both"),
    ]
    assert pages["rules/backprop.html"].count("Looked into") == 1
    assert "a &lt;b&gt;fault" in pages["rules/backprop.html"]
    assert "a &lt;b&gt;fault" not in pages["rules/fa.html"]


def test_a_label_chooses_among_the_rows_of_a_rule(rows: list[object]) -> None:
    """Catches a remark on a replaced row that is shown at the row in its place."""
    pages = pages_of(rows, tunings=TUNINGS, remarks=[remark("short", "fa", label_has="(2 trials)")])
    shown = beside(pages["tracks/digits-fc.html"])
    assert [label for label, text in shown if text] == ["fa, tuned (2 trials)"]


def test_a_remark_on_no_row_is_named(rows: list[object], tmp_path: Path) -> None:
    """Catches a finding that vanishes when its rule is misspelt or its row is made anew under another label."""
    lost = [
        remark("x", "backprob"),
        remark("x", "fa", tier="paper"),
        remark("x", "fa", label_has="samples"),
        remark("x", "fa", track="digits-cf"),
    ]
    report = build_site(rows, tmp_path / "site", tunings=TUNINGS, remarks=lost)
    told = sorted((found.path.name, found.reason) for found in report.broken)
    assert told == [
        ("digits-cf.yaml", "line 3: track 'digits-cf' has no records; did you mean 'digits-fc'?"),
        ("digits-fc.yaml", "line 3: 'backprob' has no row in 'digits-fc' at tier quick; did you mean 'backprop'?"),
        ("digits-fc.yaml", "line 3: 'fa' has no row in 'digits-fc' at tier paper"),
        (
            "digits-fc.yaml",
            "line 3: no row of 'fa' in 'digits-fc' at tier quick is 'samples'; its rows are "
            "'fa, tuned (4 trials)', 'fa, tuned (2 trials)'",
        ),
    ]
    assert "remarks/digits-fc.yaml" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_a_changed_remark_renews_the_pages_that_show_it(records: Path, tmp_path: Path) -> None:
    """Catches a page kept from an earlier build whose remark was corrected or removed."""
    folder = tmp_path / "remarks"
    folder.mkdir()
    for number, text in enumerate(("first", "corrected", "")):
        path = folder / "one.yaml"
        path.unlink(missing_ok=True)
        if text:
            path.write_text(f"track: one\nremarks: [{{tier: quick, rules: [fa], text: {text}}}]\n", encoding="utf-8")
        build_site(records, tmp_path / "site", remarks=folder)
        build_site(records, tmp_path / f"new{number}", remarks=folder)
        assert site(tmp_path / "site") == site(tmp_path / f"new{number}")
        for page in ("tracks/one.html", "rules/fa.html"):
            shown = (tmp_path / "site" / page).read_text(encoding="utf-8")
            assert ("Looked into" in shown) == bool(text), page
            assert text in shown


def test_every_committed_remark_stands_beside_a_row() -> None:
    """Catches a finding that no reader sees, because its row's label or rule has changed since."""
    remarks = list(read_remarks(LEADERBOARD / "remarks"))
    every_tuning = list(read_tunings(LEADERBOARD / "tuning"))
    for track in sorted({found.track for found in remarks if isinstance(found, PlacedRemark)}):
        of_track = [found for found in remarks if isinstance(found, PlacedRemark) and found.track == track]
        records = [r for r in read_folder(LEADERBOARD / "records" / track) if isinstance(r, RunRecord)]
        tunings = [t for t in every_tuning if isinstance(t, TuningRecord) and t.spec.run.track == track]
        assert remarks_by_row(of_track, summarize(records, tunings=tunings))[1] == []
    assert [found for found in remarks if isinstance(found, BrokenRecord)] == []
