"""Oracle: a file of published values or claims that is wrong costs itself, and every verb names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite.api.papers import papers_of
from benchsuite.api.workspace import open_workspace

CLAIM = """
title: Backprop is better than training the readout alone
source: a paper on digits
statement: It is.
comparisons:
  - {tracks: [digits-fc], metric: test_error, left: {rule: backprop}, right: {rule: readout_only}, direction: lower,
     test: paired}
"""
VALUES = """
title: A table
source: a paper on digits
runs: 3
entries:
  - {track: digits-fc, rule: backprop, metric: test_error_percent, value: 12.34}
"""
FILES = {
    "claims/good": CLAIM,
    "claims/bad-shape": "title: nothing else\n",
    "claims/bad-yaml": "title: [\n",
    "claims/bad-track": CLAIM.replace("digits-fc", "digits-cf"),
    "claims/bad-config": CLAIM.replace("{rule: backprop}", "{rule: feedback_alignment, config: {nonsense: 1}}"),
    "claims/dfa-leaves-conv-unaligned": CLAIM,  # a name of the suite's own
    "reference/fine": VALUES,
    "reference/wrong": VALUES.replace("entries:", "entries: nonsense\nentires:"),
}
BROKEN = sorted(name for name in FILES if name not in {"claims/good", "reference/fine"})


@pytest.fixture
def own(tmp_path: Path) -> str:
    for name, text in FILES.items():
        path = tmp_path / "own" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path / "own")


def test_doctor_and_list_name_every_broken_file(command: Callable[..., Any], own: str) -> None:
    """Catches a page that lost all claims and values while ``doctor`` says nothing."""
    done = command("doctor", "--specs", own, "--json")
    assert done.code == 1
    named = {problem.split("'")[0].strip() + " " + problem.split("'")[1] for problem in done.json["problems"]}
    kinds = {"claims": "claim", "reference": "reference"}
    assert named == {f"{kinds[kind]} {name}" for kind, name in (each.split("/") for each in BROKEN)}
    listed = {
        entry["name"]: entry["summary"] for entry in command("list", "claims", "--specs", own, "--json").json["claims"]
    }
    assert {name for name, summary in listed.items() if summary.startswith("broken: ")} == {
        "bad-shape",
        "bad-yaml",
        "bad-track",
        "bad-config",
    }


def test_claims_are_judged_without_those_that_are_broken(command: Callable[..., Any], own: str) -> None:
    """Catches one wrong file that takes all verdicts away, and an exit code that says that all is well."""
    Path("records").mkdir()
    done = command("claims", "--records", "records", "--specs", own, "--json")
    assert done.code == 1
    names = {verdict["claim"] for verdict in done.json}
    assert "good" in names
    assert len(names) > 30
    for name in ("bad-shape", "bad-yaml", "dfa-leaves-conv-unaligned"):
        assert f"claim '{name}' is left out: " in done.err
        assert name not in names


def test_a_site_has_the_values_and_claims_of_all_other_files(own: str) -> None:
    """Catches published values that vanish from every table because of one file."""
    warnings: list[str] = []
    known = open_workspace(own)
    cells = {("digits-fc", "quick"), ("digits-fc", "paper")}
    papers = papers_of(cells, known.registry, known.library, warnings.append)
    assert [value.reference.name for value in papers.published] == ["fine"]
    assert "good" in {cases.claim.name for cases in papers.claims}
    named = sorted(f"{w.split(' ')[0].replace('claim', 'claims')}/{w.split(chr(39))[1]}" for w in set(warnings))
    # Without records of its track, a claim is undecided whatever the track is called.
    assert named == [name for name in BROKEN if name != "claims/bad-track"]
