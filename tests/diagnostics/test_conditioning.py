"""Oracles: NumPy on matrices made with singular values that are written down, and orthogonal weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.conditioning import ConditionNumber, OrthogonalityDeviation
from benchsuite.networks.criterion import CrossEntropy

from ..properties.chains import deterministic
from ..properties.invertible_chains import square_cases

DEVIATION, CONDITION = OrthogonalityDeviation(), ConditionNumber()
NOTHING = Batch(torch.empty(0, 5), torch.empty(0, dtype=torch.int64), CrossEntropy())


def rotation(generator: np.random.Generator, size: int) -> np.ndarray:
    return np.linalg.qr(generator.standard_normal((size, size)))[0]


@deterministic
@given(values=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=7), seed=st.integers(0, 99))
def test_both_are_functions_of_the_singular_values(values, seed):
    """Would catch a matrix taken for its square, a mean over entries in the place of columns, the wrong end first."""
    generator = np.random.default_rng(seed)
    matrix = rotation(generator, len(values)) * values @ rotation(generator, len(values))
    found = torch.from_numpy(matrix)
    expected = math.sqrt(np.mean((np.array(values) ** 2 - 1) ** 2))
    assert DEVIATION.of(found) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert CONDITION.of(found) == pytest.approx(max(values) / min(values), rel=1e-6)


@deterministic
@given(case=square_cases(scheme="lecun_normal"))
def test_every_segment_is_measured_by_its_matrix(attach_case, case):
    """Convolutions by the matrix over a patch; auxiliary outputs belong to it."""
    rule = attach_case(case)
    deviations, conditions = DEVIATION.measure(rule, NOTHING), CONDITION.measure(rule, NOTHING)
    assert list(deviations) == list(conditions) == list(rule.network.segments)
    for name, linear_map in rule.network.maps.items():
        weight = linear_map.weight.detach().numpy().reshape(len(linear_map.weight), -1)
        excess = weight @ weight.T - np.eye(len(weight))
        assert deviations[name] == pytest.approx(np.linalg.norm(excess) / math.sqrt(len(weight)), rel=1e-9)
        assert conditions[name] == pytest.approx(np.linalg.cond(weight), rel=1e-6)


@deterministic
@given(case=square_cases(scheme="orthogonal"))
def test_orthogonal_weights_deviate_by_nothing(attach_case, case):
    rule = attach_case(case)
    assert DEVIATION.measure(rule, NOTHING) == dict.fromkeys(rule.network.segments, pytest.approx(0, abs=1e-5))
    assert CONDITION.measure(rule, NOTHING) == dict.fromkeys(rule.network.segments, pytest.approx(1, abs=1e-5))


@pytest.fixture(scope="module")
def attach_case():
    from benchsuite_rules.backprop import Backprop

    def attached(case):
        rule = Backprop()
        rule.attach(case.network(), torch.Generator())
        return rule

    return attached


def test_other_forms_have_no_square_matrix_to_speak_of(attach):
    """Some of their matrices happen to be square; a column that is half empty says less than none."""
    rule = attach("backprop", [{"kind": "dense", "units": 5}])
    assert DEVIATION.measure(rule, NOTHING) == CONDITION.measure(rule, NOTHING) == {"dense1": None, "readout": None}


def test_a_matrix_without_inverse_has_no_condition_number(attach):
    form = {"form": "invertible", "defaults": {"activation": {"kind": "leaky_relu", "slope": 0.1}}}
    rule = attach("backprop", [{"kind": "dense", "units": 5}] * 2, form=form)
    with torch.no_grad():
        rule.network.maps["dense1"].weight.zero_()
        rule.network.maps["dense2"].weight[0, 0] = math.nan
    deviations, conditions = DEVIATION.measure(rule, NOTHING), CONDITION.measure(rule, NOTHING)
    assert (deviations["dense1"], conditions["dense1"]) == (1.0, None)
    assert (deviations["dense2"], conditions["dense2"]) == (None, None)
    assert conditions["readout"] is not None


def test_condition_numbers_are_for_the_ends_of_a_run_alone():
    assert ConditionNumber.only_at_ends
    assert not OrthogonalityDeviation.only_at_ends
