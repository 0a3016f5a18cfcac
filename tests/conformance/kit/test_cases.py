"""The kit runs what applies and leaves nothing out by accident. The oracle is the rules' traits, read here anew."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchsuite.credit.traits import incompatibilities
from benchsuite.testing import SAMPLE_NETWORKS, RuleConformance, select_covering_set
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.gait_prop import GaitProp
from benchsuite_rules.gevb import GlobalErrorVectorBroadcasting
from benchsuite_rules.node_perturbation import NodePerturbation
from benchsuite_rules.readout_only import ReadoutOnly

RULES = (FeedbackAlignment, DirectFeedbackAlignment, GaitProp, GlobalErrorVectorBroadcasting, NodePerturbation)
EVERYWHERE = "test_same_seeds_give_the_same_weights"
HIDDEN_CLAIM = "test_hidden_updates_are_backprop_exactly_where_declared"
TWICE_OVER = "test_a_batch_twice_over_gives_the_same_gradient"


def _suite(rule, **settings) -> type[RuleConformance]:
    return type(f"Suite{rule.__name__}", (RuleConformance,), {"rule": rule, **settings})


def _collected(suite, check) -> dict[str, bool]:
    """Return the ids of the networks that pytest would be given for a check, and whether each is marked ``full``."""
    given = {}

    def parametrize(argument, values):
        assert argument == "sample"
        given.update({value.id: [mark.name for mark in value.marks] == ["full"] for value in values})

    function = getattr(suite, check)
    suite().pytest_generate_tests(
        SimpleNamespace(fixturenames=["sample"], function=function, parametrize=parametrize),  # type: ignore[arg-type]
    )
    return given


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_authors_suite_runs_on_every_network_that_the_rule_can_work_in(rule):
    """Would catch a kit that became quick for an outside author by checking less."""
    possible = [s.name for s in SAMPLE_NETWORKS if not incompatibilities(rule.traits, s.shapes)]
    assert _collected(_suite(rule), EVERYWHERE) == dict.fromkeys(possible, False)


def test_a_check_that_says_nothing_on_a_network_has_no_case_there():
    mixing = {"dropout-no-bias", "batch-norm", "conv-norm-dropout", "residual-projection"}
    names = {sample.name for sample in _suite(FeedbackAlignment).compatible()}
    assert set(_collected(_suite(FeedbackAlignment), TWICE_OVER)) == names - mixing
    assert set(_collected(_suite(FeedbackAlignment), HIDDEN_CLAIM)) == names - {"no-hidden"}


def test_a_check_without_any_case_is_no_test_and_comes_back_for_another_rule():
    """Would catch a check that stays away in a suite derived from one whose rule it does not apply to."""
    control = _suite(ReadoutOnly)
    assert not callable(getattr(control, HIDDEN_CLAIM))
    assert callable(getattr(type("Derived", (control,), {"rule": FeedbackAlignment}), HIDDEN_CLAIM))
    assert not callable(getattr(_suite(NodePerturbation, draws_noise=True), TWICE_OVER))


def test_a_check_that_an_author_has_taken_out_stays_out():
    assert getattr(_suite(FeedbackAlignment, **{EVERYWHERE: None}), EVERYWHERE) is None


def test_refusals_are_asked_for_in_the_respects_that_a_rule_states():
    assert _suite(FeedbackAlignment).needs() == ["form", "topology"]
    assert _suite(GaitProp).needs()[:2] == ["form", "topology"]
    assert ("min_hidden_segments" in _suite(GaitProp).needs()) == (GaitProp.traits.min_hidden_segments > 0)


@pytest.mark.parametrize("check", [EVERYWHERE, HIDDEN_CLAIM, TWICE_OVER])
def test_a_covering_set_has_every_form_of_every_suite_and_every_network_of_every_check(check):
    """Would catch a network or a form that no test sees any more, which a smaller suite hides well."""
    suites = [_suite(rule) for rule in RULES]
    select_covering_set(suites)
    covered = set()
    for suite in suites:
        cases = _collected(suite, check)
        assert set(cases) == {sample.name for sample in suite.cases(check)}, "the rest is marked, not lost"
        by_default = {name for name, beyond in cases.items() if not beyond}
        forms = {sample.name: sample.shapes.form for sample in suite.cases(check)}
        assert {forms[name] for name in by_default} == set(forms.values())
        covered |= by_default
    assert covered == {sample.name for suite in suites for sample in suite.cases(check)}


def test_a_variant_has_one_network_per_check_and_every_form_in_some_check():
    """Would catch variants that are all asked in the same form, so that a setting is never seen in another."""
    suites, variants = ([_suite(rule) for rule in RULES] for _ in range(2))
    select_covering_set(suites, variants)
    for suite in variants:
        assert all(len(names) == 1 for check, names in suite.default_cases.items() if suite.cases(check))
        form = {sample.name: sample.shapes.form for sample in suite.compatible()}
        seen = {form[name] for names in suite.default_cases.values() for name in names}
        assert seen == set(form.values())


def test_a_covering_set_is_the_same_whoever_asks():
    """Would catch a choice by hash or set order: workers of a parallel run would collect different tests."""
    first, second = [_suite(rule) for rule in RULES], [_suite(rule) for rule in RULES]
    select_covering_set(first)
    select_covering_set(second)
    assert [suite.default_cases for suite in first] == [suite.default_cases for suite in second]


def test_one_suite_sees_other_networks_in_other_checks():
    """Would catch a choice that gives one rule the same network in all of its checks."""
    suites = [_suite(rule) for rule in RULES]
    select_covering_set(suites)
    seen = {name for names in (suites[0].default_cases or {}).values() for name in names}
    assert len(seen) > len(SAMPLE_NETWORKS) / 2
