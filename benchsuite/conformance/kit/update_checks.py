"""Check that each weight is moved once per step, by the optimizer."""

from __future__ import annotations

import torch

from benchsuite.conformance.kit.cases import only_where
from benchsuite.conformance.kit.settings import ConformanceSettings, batches, require
from benchsuite.conformance.samples.networks import SampleNetwork
from benchsuite.conformance.samples.trial import differing
from benchsuite.networks.network import Network
from benchsuite.training.step import update_weights


class UpdateChecks(ConformanceSettings):
    """Checks on how the weights of the network move."""

    def test_every_update_is_made_once(self, sample: SampleNetwork) -> None:
        """Catches a weight that the optimizer has twice, such as a readout listed in ``learned_feedback`` too."""
        trial = self.start(sample)
        for group in trial.optimizer.param_groups:
            group["momentum"] = 0.0
        once = sample.build(torch.Generator())
        optimizer = torch.optim.SGD(once.parameters(), trial.optimizer.param_groups[0]["lr"])
        for batch in batches(sample, 2):
            once.load_state_dict(trial.network.state_dict())
            trial.compute_gradients(batch)
            _copy_gradients(trial.network, once)
            trial.update_weights()
            update_weights(once, optimizer)
            due = dict(once.named_parameters())
            off = [
                name
                for name, weight in trial.network.named_parameters()
                if not torch.allclose(weight, due[name], rtol=1e-4, atol=1e-7)
            ]
            require(
                not off,
                asks="the optimizer moves each weight once per step, by its gradient",
                seen=[f"{name} moved otherwise" for name in off],
                remedy="learned_feedback is of tensors of the rule's own; none is a weight of the network, or shares "
                "its memory",
            )
            trial.rule.after_update()

    @only_where(lambda suite, sample: len(sample.shapes.segments) > 1)
    def test_segments_that_a_stage_leaves_out_keep_their_weights(self, sample: SampleNetwork) -> None:
        """Catches a rule that writes weights which do not learn at the time, or that fails where some do not."""
        trial = self.start(sample)
        trained = {n for n, gradient in trial.gradients(sample.batch(0)).items() if gradient is not None}
        names = tuple(trial.network.segments)
        for learning in (names[:1], names[1:]):
            trial.network.train_segments(learning)
            due = trial.network.parameter_names(learning)
            before = {name: weight.detach().clone() for name, weight in trial.network.named_parameters()}
            trial.train([sample.batch(1)])
            after = dict(trial.network.named_parameters())
            wrote = [n for n, weight in after.items() if n not in due and not torch.equal(weight, before[n])]
            forgot = [n for n, weight in after.items() if n in due & trained and torch.equal(weight, before[n])]
            require(
                not wrote and not forgot,
                asks="in a protocol with stages, weights whose requires_grad is False stay, and all others learn",
                seen=[f"{n} changed" for n in wrote] + [f"{n} did not change" for n in forgot],
                remedy="leave weights whose requires_grad is False alone, and ask for it in each step, not in attach",
            )

    @only_where(lambda suite, sample: suite.rule.traits.changes_forward_weights)
    def test_forward_weights_do_not_follow_the_gradient_twice(self, sample: SampleNetwork) -> None:
        """Catches ``after_update`` that trains the readout a second time in the name of a decay."""
        moved = []
        for factor in (1.0, -3.0):
            trial = self.start(sample).train(batches(sample, 1))
            trial.compute_gradients(sample.batch(1))
            trial.update_weights()
            for weight in trial.network.parameters():
                weight.grad = None if weight.grad is None else factor * weight.grad
            trial.rule.after_update()
            moved.append({name: weight.detach() for name, weight in trial.network.named_parameters()})
        off = differing(*moved)
        require(
            not off,
            asks="what after_update does to forward weights does not depend on the gradients of the step",
            seen=[f"{name} moves by its gradient" for name in off],
            remedy="leave gradients to the optimizer; traits.changes_forward_weights is for a decay or a mask",
        )


def _copy_gradients(source: Network, target: Network) -> None:
    given = dict(source.named_parameters())
    for name, weight in target.named_parameters():
        gradient = given[name].grad
        weight.grad = None if gradient is None else gradient.detach().clone()
