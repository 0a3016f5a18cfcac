"""The conformance kit catches broken rules. The oracle is the breakage: each mutant breaks one clause of the contract.

A mutant that its check lets through means that the check cannot fail. Two more tests say that the sound originals pass
the same checks and that every check of the kit has a mutant.
"""

from __future__ import annotations

import inspect
import random

import numpy as np
import pytest
import torch

from benchsuite.conformance.kit.cases import NOT_APPLICABLE
from benchsuite.credit.rule import Rule
from benchsuite.errors import IncompatibleError
from benchsuite.networks.segments import Segment
from benchsuite.testing import RuleConformance
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.kolen_pollack import KolenPollack
from tests.conformance.kit.mutants.catching import MUTANTS, SAMPLES, Mutant, claiming
from tests.conformance.kit.mutants.gradients import TurnsRoundInNarrowTypes


def _run(mutant: Mutant, rule: type[Rule]) -> None:
    kit = type("Kit", (RuleConformance,), {"rule": rule})()
    check = getattr(kit, mutant.check)
    if check is not NOT_APPLICABLE:
        check(**mutant.arguments)


@pytest.fixture(autouse=True)
def restored_process():
    threads, python, stream = torch.get_num_threads(), random.getstate(), torch.get_rng_state()
    numpy, forward = np.random.get_state(), Segment.forward
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    random.setstate(python)
    torch.set_rng_state(stream)
    np.random.set_state(numpy)
    Segment.forward = forward  # type: ignore[method-assign]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.rule.__name__}-{m.check.removeprefix('test_')}")
def test_kit_catches(mutant):
    with pytest.raises(AssertionError, match="the contract asks") as caught:
        _run(mutant, mutant.rule)
    assert mutant.says in str(caught.value)
    assert "what to do:" in str(caught.value)


SOUND = [FeedbackAlignment, DirectFeedbackAlignment, Backprop, KolenPollack]


@pytest.mark.parametrize("rule", SOUND, ids=lambda r: r.name)
@pytest.mark.parametrize("check", sorted({m.check for m in MUTANTS}))
def test_the_sound_originals_pass_the_same_check(check, rule):
    # Of the needs, those two that every rule states.
    mutant = next(m for m in MUTANTS if m.check == check and m.arguments.get("need", "form") in {"form", "topology"})
    _run(mutant, rule)


def test_a_rule_that_refuses_bfloat16_is_not_asked_for_close_updates_there() -> None:
    """Catches a false alarm on a rule that has said so: the generated energy rule's cosine was 0.897 in one network."""
    traits = claiming(TurnsRoundInNarrowTypes, min_precision="tf32")
    rule = type("Refuses", (TurnsRoundInNarrowTypes,), {"traits": traits})
    suite = type("Suite", (RuleConformance,), {"rule": rule})
    suite().test_narrow_products_leave_wide_gradients_close_to_the_wide_ones(SAMPLES["dense"])


class RefusesLargeNetworks(FeedbackAlignment):
    name = "refuses_large"

    def attach(self, network, generator):
        super().attach(network, generator)
        if len(network.segments) > 3:
            raise IncompatibleError(self.name, ["works with three segments at most"])


def test_a_network_that_attach_refuses_is_no_failure():
    """Catches a rule that is told to be broken where it says itself what it needs."""
    kit = type("Kit", (RuleConformance,), {"rule": RefusesLargeNetworks})()
    kit.test_some_sample_network_is_compatible()
    kit.test_attach_changes_nothing_around_it(SAMPLES["dense"])
    for check in (kit.test_attach_changes_nothing_around_it, kit.test_every_update_is_made_once):
        with pytest.raises(pytest.skip.Exception, match="works with three segments at most"):
            check(SAMPLES["unheard-of-map"])


def test_every_check_of_the_kit_has_a_mutant():
    checks = {name for name, _ in inspect.getmembers(RuleConformance, inspect.isfunction) if name.startswith("test_")}
    # On a GPU only; the checks of the same clause on the CPU have theirs.
    assert checks - {m.check for m in MUTANTS} == {"test_reads_no_value_back_from_a_gpu"}
