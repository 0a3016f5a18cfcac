"""Checked against what makes a search fair: the same ranges and settings for every rule, whatever its default."""

from __future__ import annotations

import math
from typing import Annotated

import pytest
from pydantic import Field

from benchsuite.errors import SpecError
from benchsuite.plugin import RuleConfig, tunable
from benchsuite.specs.models.tuning import RATE
from benchsuite.specs.search_space import same_search, search_space, trial_settings, tuning_hash


class MarkedConfig(RuleConfig):
    target_step: Annotated[float, tunable()] = Field(default=0.02, gt=0)
    density: Annotated[float, tunable(0.1, 1, log=False)] = Field(default=1.0, gt=0, le=1)
    samples: Annotated[int, tunable(1, 100)] = Field(default=10, gt=0)
    unmarked: float = 0.5


def test_learning_rates_cover_four_decades_evenly(make_tuning):
    """Catches a search that leaves out part of its range, or clusters in it."""
    spec = make_tuning(trials=16)
    exponents = sorted(math.log10(settings[RATE]) for settings in trial_settings(spec))
    for place, exponent in enumerate(exponents):
        assert -5 + place / 4 - 1e-6 <= exponent <= -5 + (place + 1) / 4 + 1e-6


def test_a_wrong_default_changes_nothing(make_tuning):
    """Catches a search around each rule's default: a default that is 100 times off would then lose."""
    right, wrong = (make_tuning(protocol={"optimizer": {"learning_rate": rate}}) for rate in (1e-3, 1e-1))
    assert right == wrong
    assert tuning_hash(right) == tuning_hash(wrong)


def test_the_work_that_a_setting_takes_is_not_hashed(make_tuning):
    """Catches records of tunings from before the mark that are not found again."""
    plain = make_tuning()
    marked = plain.model_copy(update={"space": (plain.space[0].model_copy(update={"changes_work": True}),)})
    assert tuning_hash(plain) == tuning_hash(marked)
    assert same_search(plain, marked)


def test_all_rules_try_the_same_learning_rates(make_tuning):
    """Catches rates that depend on the number of other settings, which would be luck per rule."""
    plain = make_tuning("backprop", trials=8)
    more = plain.model_copy(
        update={"space": (*plain.space, plain.space[0].model_copy(update={"field": "rule.config.x"}))}
    )
    assert [s[RATE] for s in trial_settings(plain)] == [s[RATE] for s in trial_settings(more)]
    assert [s[RATE] for s in trial_settings(plain)] != [s["rule.config.x"] for s in trial_settings(more)]
    assert trial_settings(plain) != trial_settings(make_tuning("backprop", trials=8, sampler_seed=1))


def test_momentum_shifts_the_rates_of_sgd(make_tuning):
    """Catches ranges under which momentum alone makes steps ten times as long."""
    plain, heavy = (
        make_tuning(protocol={"optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": momentum}}).space[0]
        for momentum in (0.0, 0.9)
    )
    assert (plain.low, plain.high) == (1e-3, 10)
    assert (heavy.low, heavy.high) == (1e-4, 1)


def test_marked_fields_are_searched_beside_the_rate(make_spec):
    space = search_space(make_spec(), MarkedConfig.model_fields)
    assert [(d.field, d.low, d.high, d.log, d.integer) for d in space] == [
        (RATE, 1e-5, 1e-1, True, False),
        ("rule.config.density", 0.1, 1, False, False),
        ("rule.config.samples", 1, 100, True, True),
        ("rule.config.target_step", pytest.approx(0.002), pytest.approx(0.2), True, False),
    ]
    assert isinstance(space[2].at(0.3), int)
    assert [d.changes_work for d in space] == [False, False, True, False]


def test_a_field_that_cannot_be_searched_is_named(make_spec):
    class Wrong(RuleConfig):
        name: Annotated[str, tunable(1, 2)] = "x"
        rate: Annotated[float, tunable()] = 0.0

    with pytest.raises(SpecError) as caught:
        search_space(make_spec(), Wrong.model_fields)
    assert [(p.field, p.message.split(";")[0]) for p in caught.value.problems] == [
        ("rules.backprop.config.name", "cannot be searched: it is no number"),
        ("rules.backprop.config.rate", "cannot be searched: its default is 0.0"),
    ]


def test_tunings_with_other_budgets_serve_the_same_runs(make_tuning):
    """Catches tuned settings of another network or another protocol taken for a run's own."""
    assert same_search(make_tuning(trials=4), make_tuning(trials=8))
    assert not same_search(make_tuning(), make_tuning(protocol={"batch_size": 10}))
    assert not same_search(make_tuning(), make_tuning("feedback_alignment"))
