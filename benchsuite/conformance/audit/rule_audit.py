"""Run the tests of all traits on one rule."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from benchsuite.conformance.audit.exactness import HIDDEN_UPDATE_IS_BACKPROP, READOUT_UPDATE_IS_BACKPROP
from benchsuite.conformance.audit.forward_weights import CHANGES_FORWARD_WEIGHTS
from benchsuite.conformance.audit.separate_phase import SEPARATE_PHASE
from benchsuite.conformance.audit.trained_segments import TRAINS_HIDDEN
from benchsuite.conformance.audit.trait_test import TraitTest
from benchsuite.conformance.audit.unit_specific_feedback import UNIT_SPECIFIC_FEEDBACK
from benchsuite.conformance.audit.weight_transport import WEIGHT_TRANSPORT
from benchsuite.conformance.samples import SAMPLE_NETWORKS, SampleNetwork
from benchsuite.credit.rule import Rule
from benchsuite.credit.traits import RuleTraits
from benchsuite.records.audit import RuleAudit, RuleNeeds
from benchsuite.records.model import Environment

TRAIT_TESTS: tuple[TraitTest, ...] = (
    WEIGHT_TRANSPORT,
    SEPARATE_PHASE,
    UNIT_SPECIFIC_FEEDBACK,
    TRAINS_HIDDEN,
    HIDDEN_UPDATE_IS_BACKPROP,
    READOUT_UPDATE_IS_BACKPROP,
    CHANGES_FORWARD_WEIGHTS,
)


def audit_rule(
    rule: type[Rule], environment: Environment, networks: Sequence[SampleNetwork] = SAMPLE_NETWORKS
) -> RuleAudit:
    """Test every trait of a rule, with its default hyperparameters.

    Args:
        rule: the rule.
        environment: versions and the rule's origin, as records state them.
        networks: networks to test in; those that the rule is incompatible with are left out.

    """
    config = rule.Config()
    with _one_thread():
        traits = tuple(test.audit(lambda: rule(config), rule.traits, networks) for test in TRAIT_TESTS)
    return RuleAudit(
        rule=rule.name,
        summary=" ".join((inspect.getdoc(rule) or "").partition("\n\n")[0].split()),
        needs=_needs(rule.traits),
        config=config.model_dump(mode="json"),
        environment=environment,
        traits=traits,
    )


def _needs(traits: RuleTraits) -> RuleNeeds:
    return RuleNeeds(
        mechanism=traits.mechanism,
        source=traits.source,
        forms=tuple(sorted(traits.forms)),
        topologies=tuple(sorted(traits.topologies)),
        map_kinds=None if traits.map_kinds is None else tuple(sorted(traits.map_kinds)),
        min_hidden_segments=traits.min_hidden_segments,
        min_precision=traits.min_precision,
        learns_feedback=traits.learns_feedback,
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    # A second thread gains nothing on networks this small, and waits where other processes keep the cores busy.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
