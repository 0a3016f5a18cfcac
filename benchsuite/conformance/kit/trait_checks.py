"""Check ``traits`` and ``taken_over`` against autograd on the same network and batch in float64."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import torch
from torch import Generator

from benchsuite.conformance.kit.cases import only_where
from benchsuite.conformance.kit.settings import ConformanceSettings, batches, require
from benchsuite.conformance.samples.against_backprop import Agreement, agreement_with_backprop
from benchsuite.conformance.samples.networks import SAMPLE_NETWORKS, SampleNetwork
from benchsuite.credit.rule import RuleConfig
from benchsuite.credit.traits import RuleTraits
from benchsuite.errors import IncompatibleError
from benchsuite.networks.network import Network
from benchsuite.networks.shapes.network_shapes import NetworkShapes

_CUSTOM = "custom"


class TraitChecks(ConformanceSettings):
    """Checks on what a rule declares about itself."""

    def test_says_what_every_rule_must_say(self) -> None:
        """Catches a name no file can have, a config that JSON cannot hold, and traits that contradict each other."""
        rule, traits = self.rule, self.rule.traits
        require(
            re.fullmatch(r"[a-z][a-z0-9_]*", rule.name) is not None,
            asks="a name of lower-case letters, digits and _, beginning with a letter",
            seen=repr(rule.name),
            remedy="specs, folders and commands use it as it is; rename the rule",
        )
        require(isinstance(traits, RuleTraits), asks="traits is a RuleTraits", seen=traits, remedy="see RuleTraits")
        config: RuleConfig = self.make_rule().config
        require(
            isinstance(config, rule.Config) and rule.Config.model_validate_json(config.model_dump_json()) == config,
            asks=f"a config of type {rule.Config.__name__} that comes back equal from JSON",
            seen=repr(config),
            remedy="give fields types that JSON can hold; records and checkpoints store them so",
        )
        require(
            traits.trains_hidden or not traits.hidden_update_is_backprop,
            asks="hidden_update_is_backprop=True only for a rule that trains hidden segments",
            seen="trains_hidden=False with hidden_update_is_backprop=True",
            remedy="change one of the two",
        )

    def test_some_sample_network_is_compatible(self) -> None:
        """Catches a suite that passes because no check had a network to run on."""
        refused = [f"{s.name}: {'; '.join(self.refusals(s.shapes))}" for s in self.networks]
        for sample in self.compatible():
            try:
                self.make_rule().attach(sample.build(Generator().manual_seed(1)), Generator().manual_seed(2))
            except IncompatibleError as error:
                refused.append(f"{sample.name}: {error}")
            else:
                return
        require(
            False,
            asks="at least one network to check on",
            seen=refused,
            remedy="set `networks = [SampleNetwork(...)]` on the conformance class",
        )

    def test_says_how_much_work_it_takes(self, sample: SampleNetwork) -> None:
        """Catches an estimate that reads the network, or that fails for a hyperparameter: plans come before runs."""
        found = self.rule.credit_work(self.make_rule().config, sample.shapes)
        numbers = {field.name: getattr(found, field.name) for field in fields(found)}
        require(
            all(0 <= number < float("inf") for number in numbers.values()),
            asks="credit_work returns a CreditWork of numbers from zero up",
            seen=numbers,
            remedy="compute them from the segments of the shapes: macs, parameters, units",
        )

    @only_where(lambda suite, sample: suite.rule.traits.trains_hidden and len(sample.shapes.segments) > 1)
    def test_hidden_updates_are_backprop_exactly_where_declared(self, sample: SampleNetwork) -> None:
        """Catches backprop under another name, and a declared exactness that does not hold."""
        traits = self.rule.traits
        angles = {name: found for name, found in self._against_backprop(sample).items() if name != "readout"}
        off = [name for name, found in angles.items() if not found.equal]
        if traits.hidden_update_is_backprop:
            require(
                not off,
                asks="backprop's gradients in all hidden segments (traits.hidden_update_is_backprop=True)",
                seen=[f"{name}: cosine {angles[name].cosine:.6f}" for name in off],
                remedy="set hidden_update_is_backprop=False, or correct the credit",
            )
        else:
            require(
                any(found.cosine < 1 - 1e-6 for found in angles.values()),
                asks="another direction than backprop's in a hidden segment (traits.hidden_update_is_backprop=False)",
                seen=[f"{name}: cosine {found.cosine:.9f}" for name, found in angles.items()],
                remedy="the rule trains backprop here: is the feedback weight in use, or is it the forward weight? "
                "If it is meant to be exact, say hidden_update_is_backprop=True",
            )

    def test_the_readout_update_is_backprop_exactly_where_declared(self, sample: SampleNetwork) -> None:
        """Catches a scaled or projected output error, in the first step or only in later ones."""
        declared = self.rule.traits.readout_update_is_backprop
        for steps in (0, 2):
            found = self._against_backprop(sample, steps)["readout"]
            require(
                found.equal == declared,
                asks=f"a readout update {'equal to' if declared else 'other than'} backprop's "
                f"(traits.readout_update_is_backprop={declared})",
                seen=f"cosine {found.cosine:.9f}, {'equal' if found.equal else 'not equal'} to 1e-10, "
                f"after {steps} steps",
                remedy=f"set readout_update_is_backprop={found.equal}, or correct the readout's credit",
            )
            require(
                declared or found.cosine < 1 - 1e-9,
                asks="a readout update that is not backprop's has another direction",
                seen=f"cosine {found.cosine:.12f} and norms apart by {found.deviation:.3g} times backprop's",
                remedy="is the readout's gradient added twice, or not divided by the batch? The learning rate is the "
                "protocol's",
            )

    def test_reports_which_segments_it_took_over(self, sample: SampleNetwork) -> None:
        """Catches a record that says backprop trained a segment which the rule trained, and the reverse."""
        trial = self.start(sample)
        names, reported = list(trial.network.segments), trial.rule.taken_over
        require(
            list(reported) == [name for name in names if name in reported],
            asks="taken_over names segments, in forward order",
            seen=f"{reported} of {names}",
            remedy="build it from self.network.segments",
        )
        off = {name for name, found in self._against_backprop(sample).items() if not found.equal}
        require(
            off <= set(reported),
            asks="every segment whose update is not backprop's is in taken_over",
            seen=[f"{name} is not, and its update differs" for name in sorted(off - set(reported))],
            remedy="return these segments from taken_over as well",
        )
        traits = self.rule.traits
        contradicted = [n for n in reported if n != "readout" and traits.hidden_update_is_backprop]
        contradicted += [n for n in reported if n == "readout" and traits.readout_update_is_backprop]
        require(
            not contradicted,
            asks="taken_over names no segment whose update is declared to be backprop's",
            seen=contradicted,
            remedy="leave them out of taken_over, or change traits",
        )

    def test_says_whether_its_feedback_learns(self, sample: SampleNetwork) -> None:
        """Catches a plan without the optimizer's memory for feedback weights: one or two times the network's size."""
        learned = list(self.start(sample).rule.learned_feedback)
        require(
            not learned or self.rule.traits.learns_feedback,
            asks="learned_feedback is empty (traits.learns_feedback=False)",
            seen=f"{len(learned)} feedback weights for the optimizer",
            remedy="set learns_feedback=True in traits; `benchsuite plan` counts their optimizer state then",
        )

    def test_refuses_a_network_it_cannot_handle(self, need: str) -> None:
        """Catches an ``attach`` without ``super().attach``: the run would end in a shape error, or in wrong numbers."""
        network = self._impossible(need)
        try:
            self.make_rule().attach(network, Generator().manual_seed(2))
        except IncompatibleError as error:
            named = need != "map_kind" or "dense2" in str(error)
            require(named, asks="a refusal names the segments at fault", seen=error, remedy="use incompatibilities()")
        else:
            require(
                False,
                asks="attach raises IncompatibleError for a network that traits rule out",
                seen=f"attach accepted a network whose {need} it does not know; it needs {self._stated(need)}",
                remedy="call super().attach(network, generator) first",
            )

    def _stated(self, need: str) -> object:
        traits = self.rule.traits
        stated = {"form": traits.forms, "topology": traits.topologies, "map_kind": traits.map_kinds}
        return stated.get(need, traits.min_hidden_segments)

    def _impossible(self, need: str) -> Network:
        """Return a network that the rule's traits exclude in one respect, which is one of ``needs``."""
        if need == "map_kind":
            sample = next(s for s in SAMPLE_NETWORKS if s.name == "unheard-of-map")
            return sample.build(Generator().manual_seed(1))
        sample = (self.compatible() or SAMPLE_NETWORKS)[-1]
        network = sample.build(Generator().manual_seed(1))
        if need == "min_hidden_segments":
            return SAMPLE_NETWORKS[0].build(Generator().manual_seed(1))
        network.shapes = _declared(network.shapes, need)
        return network

    def _against_backprop(self, sample: SampleNetwork, steps: int = 0) -> dict[str, Agreement]:
        trial = self.start(sample, dtype=torch.float64).without_dropout()
        trial.train(batches(sample, steps, start=1, dtype=torch.float64))
        return agreement_with_backprop(trial, sample.batch(0, dtype=torch.float64))


def _declared(shapes: NetworkShapes, need: str) -> NetworkShapes:
    return replace(shapes, form=_CUSTOM) if need == "form" else replace(shapes, topology=_CUSTOM)
