"""Oracle: the site that a full build gives. A page that was kept from an earlier build has that site's bytes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchsuite.papers.statements import Papers
from benchsuite.records.model import DiagnosticValue
from benchsuite.results.board_plan import RuleWords
from benchsuite_leaderboard import kept_pages, renewal
from benchsuite_leaderboard.charts import runs as run_charts
from benchsuite_leaderboard.downloads.comparisons import pair_data
from benchsuite_leaderboard.downloads.results import rule_data
from benchsuite_leaderboard.memory import MEMORY
from benchsuite_leaderboard.pages import comparisons, rules
from benchsuite_leaderboard.site import build_site

from .small_sites import site, write


def rules_on_two_tracks(folder, make_record):
    """Write records of three rules, of which every two have a page that compares them."""
    for track in ("one", "two"):
        for rule, error in (("backprop", 0.1), ("fa", 0.2), ("dfa", 0.3)):
            for seed in range(2):
                write(folder / track, make_record(rule, seed, error + seed / 100, track=track))


def test_only_pages_of_a_pair_with_the_changed_rule_are_made_again(records, make_record, tmp_path, monkeypatch):
    """Catches a pair's page that is kept with old numbers, and one that is made again for nothing."""
    rules_on_two_tracks(records, make_record)
    out = tmp_path / "site"
    build_site(records, out)
    write(records / "one", make_record("dfa", 0, 0.6, track="one"))
    made = []
    monkeypatch.setattr(comparisons, "pair_data", lambda pair: made.append((pair.left, pair.right)) or pair_data(pair))
    build_site(records, out)
    assert made == [("backprop", "dfa"), ("dfa", "fa")]
    build_site(records, tmp_path / "full")
    assert site(out) == site(tmp_path / "full")


@pytest.mark.parametrize("kept", ["compare/backprop/fa.html", "rules/fa.html"])
@pytest.mark.parametrize("change", ["deleted", "damaged memory", "other title", "other generator"])
def test_a_page_of_rules_is_kept_for_nothing_less_than_the_same_content(
    records, make_record, tmp_path, monkeypatch, change, kept
):
    """Catches a comparison of two rules, or a rule's page, that another generator or another site left behind."""
    rules_on_two_tracks(records, make_record)
    out, title = tmp_path / "site", "A board"
    build_site(records, out, title=title)
    page = out / kept
    page.write_text("stale")
    match change:
        case "deleted":
            page.unlink()
        case "damaged memory":
            (out / kept_pages.PAGES).write_text(json.dumps({kept: 3}))
        case "other title":
            title = "Another board"
        case "other generator":
            monkeypatch.setattr(kept_pages, "generator_hash", lambda: "newer")
    build_site(records, out, title=title)
    build_site(records, tmp_path / "full", title=title)
    assert site(out) == site(tmp_path / "full")


@pytest.fixture
def made(monkeypatch):
    """Return a list that gets the seed and rule of each run whose page is made."""
    seen = []
    draw = run_charts.error_and_loss
    monkeypatch.setattr(
        run_charts,
        "error_and_loss",
        lambda record, budget: seen.append((record.spec.rule.name, record.spec.seed)) or draw(record, budget),
    )
    return seen


def test_a_new_run_makes_its_own_page_and_those_that_show_it(records, make_record, tmp_path, made):
    """Catches a changed track whose thousand runs are all rendered again, and one that keeps a page without a link."""
    out = tmp_path / "site"
    build_site(records, out)
    write(records / "one", make_record("dfa", 0, 0.4, track="one"))
    made.clear()
    report = build_site(records, out)
    # Seed 1 of each rule has no other run of its seed: its page stays unless the verdict on its row changes.
    assert sorted(made) == [("backprop", 0), ("dfa", 0), ("fa", 0)]
    full = build_site(records, tmp_path / "full")
    assert site(out) == site(tmp_path / "full")
    assert report.files == full.files


@pytest.mark.parametrize(
    "change",
    ["deleted page", "deleted record", "other number", "neighbour", "damaged memory", "title", "generator", "mlflow"],
)
def test_a_runs_page_is_kept_for_nothing_less_than_the_same_content(
    records, make_record, tmp_path, monkeypatch, change
):
    """Catches a run's page or record that another record, another neighbour or another site left behind."""
    out, options = tmp_path / "site", {"title": "A board"}
    build_site(records, out, **options)
    (of_seed_0,) = [p for p in (records / "one").iterdir() if '"seed":0' in p.read_text() and '"fa"' in p.read_text()]
    page = out / "runs" / "one" / f"{of_seed_0.stem}.html"
    page.write_text("stale")
    match change:
        case "deleted page":
            page.unlink()
        case "deleted record":
            page.with_suffix(".json").unlink()
        case "other number":
            # No other page shows it, and no table.
            content = json.loads(of_seed_0.read_text())
            content["timing"]["setup_time_s"] = 77.0
            of_seed_0.write_text(json.dumps(content))
        case "neighbour":
            write(records / "one", make_record("fa", 1, 0.35, track="one"))
        case "damaged memory":
            (out / MEMORY / "tracks" / "one.json").write_text("{}")
        case "title":
            options = {"title": "Another board"}
        case "generator":
            monkeypatch.setattr(renewal, "generator_hash", lambda: "newer")
        case "mlflow":
            options["mlflow"] = {of_seed_0.stem: "http://127.0.0.1:5000/#/experiments/1/runs/abc"}
    build_site(records, out, **options)
    build_site(records, tmp_path / "full", **options)
    assert site(out) == site(tmp_path / "full")


def test_only_the_page_of_the_changed_rule_is_made_again(records, make_record, tmp_path, monkeypatch):
    """Catches pages of all rules that are made again for nothing, and one that is kept with old numbers."""
    rules_on_two_tracks(records, make_record)
    out = tmp_path / "site"
    build_site(records, out)
    write(records / "one", make_record("dfa", 0, 0.6, track="one"))
    made = []
    monkeypatch.setattr(rules, "rule_data", lambda name, results: made.append(name) or rule_data(name, results))
    build_site(records, out)
    assert made == ["dfa"]
    build_site(records, tmp_path / "full")
    assert site(out) == site(tmp_path / "full")


@pytest.mark.parametrize("change", ["words", "audit", "partner", "validity of another rule", "repository"])
def test_a_rules_page_shows_what_changed_beside_its_results(records, make_record, tmp_path, monkeypatch, change):
    """Catches a rule's page that is kept since its numbers are the same, though its words or its audit changed."""
    rules_on_two_tracks(records, make_record)
    out, audits = tmp_path / "site", tmp_path / "audits"
    audits.mkdir()
    shutil.copy(Path(__file__).resolve().parents[2] / "leaderboard" / "audits" / "backprop.json", audits)
    options = {"audits": audits, "papers": Papers(rules={"fa": RuleWords(summary="Fixed feedback.")})}
    build_site(records, out, **options)
    match change:
        case "words":
            options["papers"] = Papers(rules={"fa": RuleWords(summary="Random feedback.")})
        case "audit":
            audit = json.loads((audits / "backprop.json").read_text())
            audit["traits"][0]["reason"] = "seen with one network alone"
            (audits / "backprop.json").write_text(json.dumps(audit))
        case "partner":
            stated = {**options["papers"].rules, "dfa": RuleWords(short_name="DFA")}
            options["papers"] = Papers(rules=stated)
        case "validity of another rule":
            record = make_record("backprop", 0, 0.1, track="one")
            share = DiagnosticValue(diagnostic="reference_example_fraction", segment="dense1", epoch=1, value=0.5)
            write(records / "one", record.model_copy(update={"diagnostics": (*record.diagnostics, share)}))
        case "repository":
            options["repository_url"] = "https://example.org/lab/suite"
    build_site(records, out, **options)
    build_site(records, tmp_path / "full", **options)
    assert site(out) == site(tmp_path / "full")


def test_no_set_is_in_the_key_of_a_pairs_page():
    """Catches a key that depends on the order of a set, which differs by process: no page was ever kept."""
    words = kept_pages.words_in_order(RuleWords(forms=frozenset({"ordinary", "vectorized", "invertible"})))
    assert words[-3:] == ("invertible", "ordinary", "vectorized")
    assert not [part for part in words if isinstance(part, frozenset) and part]
