"""Oracles: parts of the self-test in this process and small, with figures worked out by hand where there are some."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import benchsuite as bs
from benchsuite.acceptance import capture, concurrency, energy, input_pipeline, rates
from benchsuite.acceptance.capture import largest_difference
from benchsuite.acceptance.parts import PartRequest
from benchsuite.acceptance.roofline import roofline_ms
from benchsuite.acceptance.sample_trainers import pairs
from benchsuite.acceptance.trainers import DENSE, PROTOCOL
from benchsuite.errors import PartFailedError, PartSkippedError
from benchsuite.records.selftest import CapturedStep, EnergyUse, InputRate, Roof, Row, StepRate
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.dataset import GeneratedImages
from benchsuite.training.trainer import Trainer


def request(folder: Path, seconds: float = 60.0, earlier: tuple[Row, ...] = ()) -> PartRequest:
    return PartRequest("capture", "", "cpu", time.time() + seconds, folder, earlier)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def two_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two rules tried on a network each."""
    found = {rule: (rule, sample, True) for rule, sample, _ in reversed(list(pairs(installed_registry())))}
    chosen = [found["weight_mirror"], found["gevb"]]
    monkeypatch.setattr(capture, "pairs", lambda registry: iter(chosen))


def test_recorded_steps_are_eager_ones(two_rules: None, tmp_path: Path) -> None:
    rows: list[Row] = []
    capture.measure(request(tmp_path), rows.append)
    found = [
        (row.rule, row.step, row.steps, row.difference, row.reason) for row in rows if isinstance(row, CapturedStep)
    ]
    assert found == [("weight_mirror", "recorded", 15, 0.0, ""), ("gevb", "recorded", 15, 0.0, "")]


def test_a_step_that_differs_fails_the_part(two_rules: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a self-test that looks at a device's numbers and lets them pass."""
    train = Trainer.train_epoch

    def disturbed(trainer: Trainer) -> Any:
        sums = train(trainer)
        if trainer.recorded is not None:
            next(trainer.network.parameters()).data.view(-1)[0] += 1e-6
        return sums

    monkeypatch.setattr(Trainer, "train_epoch", disturbed)
    rows: list[Row] = []
    with pytest.raises(PartFailedError, match="2 rows have a problem"):
        capture.measure(request(tmp_path), rows.append)
    assert all(isinstance(row, CapturedStep) and row.reason == "differs from eager steps" for row in rows)


def test_pairs_that_are_not_reached_fail_the_part(two_rules: None, tmp_path: Path) -> None:
    with pytest.raises(PartFailedError, match="time ran out before 2 of the pairs"):
        capture.measure(request(tmp_path, -1), lambda row: None)


def test_every_rule_must_be_tried_on_every_form_that_it_works_in() -> None:
    registry = installed_registry()
    tried = {(rule, sample.shapes.form) for rule, sample, is_required in pairs(registry) if is_required}
    assert tried == {(name, form) for name, rule in registry.rules.items() for form in rule.traits.forms}


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ({"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([1.0, 2.5])}, 0.2),
        ({"a": torch.tensor([0.001])}, {"a": torch.tensor([0.002])}, 0.1),
        ({"a": torch.tensor([float("nan")])}, {"a": torch.tensor([float("nan")])}, 0.0),
        ({"a": torch.tensor([1.0])}, {"a": torch.tensor([float("nan")])}, float("inf")),
        ({"a": torch.tensor([1])}, {"a": torch.tensor([2])}, float("inf")),
        ({"a": torch.tensor([1.0])}, {"a": torch.tensor([1.0]), "b": torch.tensor([1.0])}, float("inf")),
    ],
)
def test_differences_are_relative_and_of_floats_alone(first: Any, second: Any, wanted: float) -> None:
    """Catches generators and counters that differ by a rounding error, and NaN that is smaller than any tolerance."""
    assert largest_difference(first, second) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("product", "copy", "wanted"),
    [
        # 784-1024-512-10: forward and weight gradients of all maps, credit of all but the first.
        (1.0, 1e9, 2 * 128 * (2 * (784 * 1024 + 1024 * 512 + 5120) + 1024 * 512 + 5120) / 1e9 * 1000),
        # 1,333,770 weights ten times, 784 inputs once and 1,546 units five times, of 4 bytes.
        (1e9, 1.0, 4 * (10 * 1_333_770 + 128 * (784 + 5 * 1546)) / 1e9 * 1000),
    ],
)
def test_the_roofline_is_the_larger_of_operations_and_bytes(product: float, copy: float, wanted: float) -> None:
    limits = (
        Roof(operation="matrix product", precision="fp32", rate=product, unit="GFLOP/s"),
        Roof(operation="copy", precision="fp32", rate=copy, unit="GB/s"),
    )
    assert roofline_ms(DENSE.shapes, PROTOCOL, installed_registry(), "fp32", limits) == pytest.approx(wanted)
    assert roofline_ms(DENSE.shapes, PROTOCOL, installed_registry(), "bf16", limits) is None


def test_a_rate_is_measured_and_an_error_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches one setting whose error takes the speeds of all others with it."""
    monkeypatch.setattr(rates, "BATCHES_PER_EPOCH", 1)
    row = rates.step_rate(request(tmp_path), (DENSE, "fp32", "contiguous"), {"step": "recorded"}, 0)
    assert (row.step, row.compiled, row.reason) == ("recorded", False, "")
    assert row.images_per_s is not None
    assert row.step_ms == pytest.approx(128_000 / row.images_per_s, rel=0.01)
    broken = replace(DENSE, name="no-such-network")
    row = rates.step_rate(request(tmp_path), (broken, "fp32", "contiguous"), {"step": "eager"}, 0)
    assert isinstance(row, StepRate)
    assert row.images_per_s is None
    assert "no-such-network" in row.reason


def test_energy_is_that_of_the_counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches figures without a counter, or of one that stands still."""
    monkeypatch.setattr(energy, "BATCHES_PER_EPOCH", 1)
    monkeypatch.setattr(energy, "MEASURED", (DENSE,))
    monkeypatch.setattr(energy, "MOST_S", 0.0)
    opened = energy.open_device
    meter = SimpleNamespace(joules=None, source="no counter here")
    monkeypatch.setattr(energy, "open_device", lambda hardware: replace(opened(hardware), energy=meter))
    with pytest.raises(PartSkippedError, match="no counter here"):
        energy.measure(request(tmp_path), lambda row: None)
    counts = iter([10.0, 12.56])
    meter.joules = lambda: next(counts)
    rows: list[Row] = []
    energy.measure(request(tmp_path), rows.append)
    (row,) = rows
    assert isinstance(row, EnergyUse)
    assert row.joules_per_1000_images == pytest.approx(1000 * 2.56 / 128)
    meter.joules = lambda: 10.0
    with pytest.raises(PartSkippedError, match="stood still"):
        energy.measure(request(tmp_path), lambda row: None)


def test_the_runs_at_once_can_be_planned(tmp_path: Path) -> None:
    """Catches a spec that this suite no longer reads; found on a GPU, it would cost a visit there."""
    concurrency.write_track(request(tmp_path))
    plan = bs.plan(concurrency.TRACK, rules="backprop", seeds=2, tier="quick", specs=tmp_path / "specs")
    assert len(plan.runs) == 2
    assert plan.refused == ()


def test_runs_that_take_too_long_are_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a part that begins what it cannot end, and one that compares nothing and passes."""
    monkeypatch.setattr(concurrency, "_elapsed_s", lambda request, count: 2.0)
    rows: list[Any] = []
    with pytest.raises(PartFailedError, match="before runs at once could be compared"):
        concurrency.measure(request(tmp_path, 1.0), rows.append)
    assert [(row.runs, row.runs_per_hour, bool(row.reason)) for row in rows] == [
        (1, 1800, False),
        (2, None, True),
        (4, None, True),
    ]


def test_images_from_files_are_timed_against_resident_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_pipeline, "IMAGES", GeneratedImages(classes=2, train_images=8, test_images=1))
    monkeypatch.setattr(input_pipeline, "BATCH_SIZE", {"cpu": 4})
    rows: list[Row] = []
    input_pipeline.measure(request(tmp_path, 0), rows.append)
    resident, streamed = rows
    assert isinstance(resident, InputRate)
    assert isinstance(streamed, InputRate)
    assert (resident.source, streamed.source) == ("resident", "streamed")
    assert streamed.ratio_to_resident == pytest.approx(streamed.images_per_s / resident.images_per_s, rel=0.05)
