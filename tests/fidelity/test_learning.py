"""Oracle: what these rules are known to reach on real data. A small version always runs; MNIST's is marked slow."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from benchsuite.execution.session import Session
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.resolve import Selection, resolve
from benchsuite.training.device import resolve_hardware


def run(selection: Selection, library: SpecLibrary, registry: Registry, tmp_path: Path, data: Path) -> list[RunRecord]:
    session = Session(
        resolve(selection, library, registry, resolve_hardware), RecordStore(tmp_path / "store"), registry, data
    )
    session.check()
    return session.execute().records


def final_errors(records: list[RunRecord], rule: str) -> list[float]:
    return [r.final_test.error for r in records if r.spec.rule.name == rule and r.final_test]


def test_on_digits_feedback_rules_learn_and_the_control_is_behind(
    library: SpecLibrary, own_registry: Registry, tmp_path: Path
) -> None:
    """The order that any of these papers shows: backprop, then feedback rules, then random features."""
    # A narrow network: with wide random features the control does nearly as well, and would prove nothing.
    narrow = "architecture.layers=[{kind: dense, units: 16}, {kind: dense, units: 16}]"
    rules = ("backprop", "feedback_alignment", "direct_feedback_alignment", "readout_only")
    chosen = Selection("digits-fc", rules, "quick", seeds=(0,), overrides=(narrow, "diagnostics.names=[]"))
    records = run(chosen, library, own_registry, tmp_path, tmp_path)
    assert {r.status for r in records} == {"completed"}
    assert mean(final_errors(records, "backprop")) < 0.06
    assert mean(final_errors(records, "feedback_alignment")) < 0.10
    assert mean(final_errors(records, "direct_feedback_alignment")) < 0.10
    assert mean(final_errors(records, "readout_only")) > 0.15


def test_dfa_aligns_while_it_learns(library: SpecLibrary, own_registry: Registry, tmp_path: Path) -> None:
    """GEVB paper, Fig. 6: from 90 degrees at the start, well below after some epochs."""
    chosen = Selection("digits-fc", rules=("direct_feedback_alignment",), tier="quick", seeds=(0,))
    (record,) = run(chosen, library, own_registry, tmp_path, tmp_path)
    angles = {(d.segment, d.epoch): d.value for d in record.diagnostics}
    for segment in ("dense1", "dense2"):
        assert angles[segment, 0] == pytest.approx(90, abs=6)
        assert (angles[segment, 30] or 90) < 80


@pytest.mark.slow
def test_on_mnist_backprop_is_below_2_and_dfa_below_3_per_cent(
    library: SpecLibrary, own_registry: Registry, tmp_path: Path, mnist_root: Path | None
) -> None:
    if mnist_root is None:
        pytest.skip("no MNIST here; the digits above stand in for it")
    chosen = Selection("mnist-fc", rules=("backprop", "direct_feedback_alignment"), tier="quick", seeds=(0, 1, 2))
    records = run(chosen, library, own_registry, tmp_path, mnist_root)
    assert mean(final_errors(records, "backprop")) < 0.02
    assert mean(final_errors(records, "direct_feedback_alignment")) < 0.03


@pytest.mark.slow
def test_the_mirror_codes_first_epoch_on_mnist_is_theirs(
    library: SpecLibrary, own_registry: Registry, tmp_path: Path, mnist_root: Path | None
) -> None:
    """Weight-mirror code, results.json: accuracy in per cent and loss of epoch 1, one run each (FACTS §3.4)."""
    if mnist_root is None:
        pytest.skip("no MNIST here")
    published = {"backprop": (88.00, 1.469), "feedback_alignment": (85.49, 1.833), "kolen_pollack": (88.90, 1.414)}
    chosen = Selection(
        "mnist-mirror-fc",
        rules=tuple(published),
        tier="paper",
        seeds=(0,),
        overrides=("protocol.epochs=1", "diagnostics.names=[]"),
    )
    for record in run(chosen, library, own_registry, tmp_path, mnist_root):
        accuracy, loss = published[record.spec.rule.name]
        assert record.final_test is not None
        assert 100 * (1 - record.final_test.error) == pytest.approx(accuracy, abs=1)
        assert record.epochs[0].running_loss == pytest.approx(loss, abs=0.08)
