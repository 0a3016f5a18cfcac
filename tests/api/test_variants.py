"""Oracle: one run's record, whichever of its two names it is asked by, and a claim worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchsuite as bs
from benchsuite.specs.loading.library import SPECS_VARIABLE

SPECS = {
    "tracks/brief.yaml": """
extends: digits-fc
protocol: {epochs: 1}
diagnostics: {names: []}
tiers: {smoke: {dataset: {train_limit: 64, test_limit: 64}}}
""",
    "suites/ablation.yaml": """
tracks: [brief]
rules:
  - feedback_alignment
  - rule: feedback_alignment
    as: "FA, huge weights"
    config: {distribution: normal, standard_deviation: 50}
    protocol: {optimizer: {learning_rate: 0.5}}
seeds: 3
tier: smoke
""",
    "claims/huge-weights-harm.yaml": """
statement: Huge feedback weights do harm.
source: ours
tiers: [smoke]
comparisons:
  - tracks: [brief]
    metric: test_error
    left: {rule: "FA, huge weights", minus: feedback_alignment}
    value: 0
    direction: higher
    test: one_sample
""",
}
BY_SET = {
    "protocol.optimizer.learning_rate": 0.5,
    "rules.feedback_alignment.config.distribution": "normal",
    "rules.feedback_alignment.config.standard_deviation": 50,
}


@pytest.fixture(autouse=True)
def _own_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in SPECS.items():
        path = tmp_path / "specs" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    monkeypatch.setenv(SPECS_VARIABLE, str(tmp_path / "specs"))
    monkeypatch.setenv("BENCHSUITE_EXECUTOR", "inline")


def test_a_run_has_one_record_and_one_name_whichever_way_it_is_asked_for() -> None:
    """Catches a run made twice under two names, and a table, a page or a claim that knows one of them only."""
    first = bs.run("brief", rules="feedback_alignment", tier="smoke", seeds=[2], set=BY_SET)
    assert first.records[0].spec.rule.title == "FA, huge weights"
    assert "FA, huge weights" in first.table()
    results = bs.run("ablation")
    assert results.reused == {first.records[0].run_id}
    assert len(bs.load_records()) == 6
    (table,) = bs.load_records().tables
    rows = {row.label: row for row in table.rows}
    assert {label: row.total for label, row in rows.items()} == {"FA, huge weights": 3, "feedback_alignment": 3}
    pages = results.build_site().out
    assert "FA, huge weights" in (pages / "tracks" / "brief.html").read_text()
    (verdict,) = (v for v in bs.claims(results.records) if v.claim.name == "huge-weights-harm")
    (case,) = verdict.deciding or verdict.cases
    assert case.left is not None
    assert case.left.estimate is not None
    means = [row.test_error.mean for row in rows.values() if row.test_error]
    assert abs(case.left.estimate.mean) == pytest.approx(abs(means[0] - means[1]))
