"""Oracle: the epochs at which a diagnostic was asked, one that is followed beside one that is not."""

from __future__ import annotations

from typing import ClassVar

import pytest

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.registry.manager import Registry


class Followed(Diagnostic):
    name = "followed"
    summary = "One."
    asked: ClassVar[int] = 0

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        type(self).asked += 1
        return {None: 1.0}


class Expensive(Followed):
    name = "expensive"
    only_at_ends = True
    asked: ClassVar[int] = 0


@pytest.mark.parametrize(
    ("epochs", "every_epochs", "followed", "expensive"),
    [(4, 1, [0, 1, 2, 3, 4], [0, 4]), (4, 3, [0, 3, 4], [0, 4]), (1, 1, [0, 1], [0, 1])],
)
def test_expensive_diagnostics_are_measured_before_training_and_at_its_end(
    make_spec, make_run, own_registry: Registry, epochs, every_epochs, followed, expensive
):
    own_registry.diagnostics |= {kind.name: kind for kind in (Followed, Expensive)}
    before = Expensive.asked
    spec = make_spec(
        protocol={"epochs": epochs}, diagnostics={"names": ["followed", "expensive"], "every_epochs": every_epochs}
    )
    record = make_run(spec).execute()
    assert record.status == "completed"
    assert [d.epoch for d in record.diagnostics if d.diagnostic == "followed"] == followed
    assert [d.epoch for d in record.diagnostics if d.diagnostic == "expensive"] == expensive
    assert Expensive.asked - before == len(expensive)


def test_a_run_that_stops_because_it_has_learned_all_is_at_its_end(make_spec, make_run, own_registry: Registry):
    own_registry.diagnostics |= {Expensive.name: Expensive}
    easy = {"train_examples": 8, "test_examples": 8}
    protocol = {"epochs": 200, "stop_at_zero_train_error": True}
    spec = make_spec(protocol=protocol, dataset=easy, diagnostics={"names": ["expensive"]})
    record = make_run(spec).execute()
    assert record.epochs[-1].epoch < 200
    assert [d.epoch for d in record.diagnostics] == [0, record.epochs[-1].epoch]


class Counting(Followed):
    name = "counting"
    sizes: ClassVar[list[int]] = []

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        self.sizes.append(len(batch.targets))
        return {}


class CountingToo(Counting):
    name = "counting_too"
    sizes: ClassVar[list[int]] = []


def test_a_diagnostic_may_have_a_batch_of_its_own_size(make_spec, make_run, own_registry: Registry):
    """Catches clusters judged on the few examples of the angles, or angles on the many of the clusters."""
    own_registry.diagnostics |= {kind.name: kind for kind in (Counting, CountingToo)}
    wanted = {"names": ["counting", "counting_too"], "examples": 8, "examples_of": {"counting_too": 20}}
    make_run(make_spec(protocol={"epochs": 1}, diagnostics=wanted)).execute()
    assert (Counting.sizes, CountingToo.sizes) == ([8, 8], [20, 20])
