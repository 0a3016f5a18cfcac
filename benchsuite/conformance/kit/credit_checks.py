"""Check that the rule leaves the right gradients, on every network and in every precision."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from benchsuite.conformance.kit.cases import only_where
from benchsuite.conformance.kit.guards import HostReadError, no_host_reads, synchronization_is_an_error
from benchsuite.conformance.kit.settings import ConformanceSettings, batches, require
from benchsuite.conformance.samples.networks import SampleNetwork
from benchsuite.conformance.samples.trial import Trial, cosine, differing
from benchsuite.credit.batch import Batch
from benchsuite.networks.maps import LinearMap


class CreditChecks(ConformanceSettings):
    """Checks on the gradients that ``assign_credit`` leaves."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
    def test_leaves_a_sound_gradient_on_every_parameter_it_trains(
        self, sample: SampleNetwork, dtype: torch.dtype
    ) -> None:
        """Catches a forgotten bias, a not-a-number, and feedback weights of another dtype than the network's."""
        trial = self.start(sample, dtype=dtype)
        trial.compute_gradients(sample.batch(0, dtype=dtype))
        require(
            not (problems := self._unsound(trial)),
            asks=f"assign_credit leaves a finite .grad of the parameter's shape and type on {self._trained()}",
            seen=problems,
            remedy="give every such segment its credit (record_forward and Tape.assign, or ReplacedFeedbackRule, form "
            "all gradients of a segment, norm and bias included); give feedback weights the type of the map's weight",
        )

    def test_leaves_no_gradient_on_parameters_it_does_not_train(self, sample: SampleNetwork) -> None:
        """Catches zeros left where None belongs: weight decay and momentum would still move those weights."""
        trial = self.start(sample)
        surplus = [n for n in trial.gradients(sample.batch(0)) if not self.learns(trial, n)]
        require(
            not surplus,
            asks=f"gradients on {self._trained()} only (traits.trains_hidden={self.rule.traits.trains_hidden})",
            seen=[f"{n} has a gradient" for n in surplus],
            remedy="leave .grad None on what is not trained, or set trains_hidden=True",
        )

    def test_moves_what_it_trains_and_nothing_else(self, sample: SampleNetwork) -> None:
        """Catches credit that is always zero, and weights written past the optimizer."""
        trial = self.start(sample)
        before = {n: p.detach().clone() for n, p in trial.network.named_parameters()}
        trial.train(batches(sample, 4))
        after = {n: p.detach() for n, p in trial.network.named_parameters()}
        moved = set(differing(before, after))
        due = {n for n in before if self.learns(trial, n)}
        idle = {n for n in due if _cancelled_by_norm(trial, n)}
        require(
            due - idle <= moved,
            asks=f"{self._trained()} change within a few steps of SGD",
            seen=[f"{n} did not move" for n in sorted(due - idle - moved)],
            remedy="check the credit of these segments: it is zero, or the nonlinearity's derivative is zero there",
        )
        require(
            moved <= due,
            asks=f"only {self._trained()} change",
            seen=[f"{n} moved" for n in sorted(moved - due)],
            remedy="weights are changed by the optimizer alone; leave .grad None on what should stay",
        )

    @pytest.mark.parametrize("criterion", ["cross_entropy", "squared_error"])
    def test_reports_the_loss_and_logits_of_its_forward_pass(
        self, sample: SampleNetwork, criterion: Literal["cross_entropy", "squared_error"]
    ) -> None:
        """Catches results that keep the graph alive, and a loss that is not the batch's."""
        losses = self.rule.traits.losses
        batch = sample.batch(0, criterion=criterion if losses is None or criterion in losses else None)
        trial = self.start(sample).without_dropout()
        expected = trial.network(batch.inputs).detach()
        result = trial.compute_gradients(batch)
        if self.rule.traits.own_inference:
            expected = result.logits.detach()  # of whichever pass the rule reports
        require(
            result.logits.shape == expected.shape and torch.allclose(result.logits, expected, rtol=1e-4, atol=1e-5),
            asks="StepResult.logits are the network's, shape (batch, classes)",
            seen=f"shape {tuple(result.logits.shape)}, first row {result.logits[:1].tolist()} instead of "
            f"{expected[:1].tolist()}",
            remedy="return the logits of the ordinary forward pass on the batch",
        )
        loss = batch.criterion(expected, batch.targets)
        require(
            result.loss.dim() == 0 and torch.allclose(result.loss, loss, rtol=1e-4),
            asks="StepResult.loss is batch.criterion's mean over the batch, a scalar tensor",
            seen=f"{result.loss.tolist()} instead of {loss.item()}",
            remedy="return batch.criterion(logits, batch.targets), or the tape's loss",
        )
        attached = [n for n, t in (("loss", result.loss), ("logits", result.logits)) if t.requires_grad]
        require(
            not attached,
            asks="StepResult has no autograd graph",
            seen=[f"{n} requires grad" for n in attached],
            remedy="detach() loss and logits: a kept graph holds every activation of the step in memory",
        )

    # Batch norm and dropout make an example depend on its batch.
    @only_where(lambda suite, sample: not suite.draws_noise and not sample.mixes_examples)
    def test_a_batch_twice_over_gives_the_same_gradient(self, sample: SampleNetwork) -> None:
        """Catches credit that is summed instead of averaged: it would tie the learning rate to the batch size."""
        trial = self.start(sample, dtype=torch.float64)
        once = sample.batch(0, dtype=torch.float64)
        before = trial.state()
        first = trial.gradients(once)
        if differing(before, trial.state()):
            pytest.skip("assign_credit draws or changes the rule's state: set draws_noise to leave this check out")
        doubled = Batch(torch.cat([once.inputs] * 2), torch.cat([once.targets] * 2), once.criterion)
        second = trial.gradients(doubled)
        off = [n for n in first if not torch.allclose(first[n], second[n], rtol=1e-8, atol=1e-12)]
        require(
            not off,
            asks="gradients of the mean loss over the batch: a batch with every example twice gives the same gradients",
            seen=[f"{n} is {_ratio(second[n], first[n]):.3g} times as large" for n in off],
            remedy="divide credit by the batch once; Tape.error and criterion gradients are divided already",
        )

    def test_narrow_products_leave_wide_gradients_close_to_the_wide_ones(self, sample: SampleNetwork) -> None:
        """Catches a rule that breaks under ``network.autocast_dtype`` (bfloat16), as GPU tracks set it."""
        batch = sample.batch(0)
        wide = self.start(sample).gradients(batch)
        trial = self.start(sample)
        trial.network.autocast_dtype = torch.bfloat16
        narrow = trial.gradients(batch)
        require(
            not (problems := self._unsound(trial)),
            asks="sound gradients in the weights' own type under network.autocast_dtype=torch.bfloat16",
            seen=problems,
            remedy="compute your own matrix products in `with network.autocast():`, or cast; the mechanisms in "
            "benchsuite.credit do this for you",
        )
        if self.rule.traits.min_precision != "bf16":
            return  # such a track is refused to it: what its credit would be worth there is no part of the contract
        seen = cosine(wide.values(), [narrow[n] for n in wide])
        require(
            seen >= self.min_bf16_cosine,
            asks=f"the bfloat16 update has a cosine of at least {self.min_bf16_cosine} with the float32 update",
            seen=f"cosine {seen:.3f}",
            remedy="keep losses, errors and sums over the batch in float32; set min_bf16_cosine if the rule's update "
            "takes signs; or declare min_precision='tf32', so that bfloat16 is refused",
        )

    def test_reads_no_value_on_the_host(self, sample: SampleNetwork) -> None:
        """Catches ``.item()`` and its like: each stalls a GPU and forbids the capture of the step."""
        trial = self.start(sample)
        batch = sample.batch(0)
        try:
            with no_host_reads():
                trial.compute_gradients(batch)
            trial.update_weights()
            with no_host_reads():
                trial.rule.after_update()
        except HostReadError as error:
            require(
                False,
                asks="assign_credit and after_update read no tensor's value on the host",
                seen=error,
                remedy="keep it a tensor: torch.where for a branch, clamp for a bound; the traceback has the line",
            )

    @only_where(lambda suite, sample: torch.cuda.is_available())
    def test_reads_no_value_back_from_a_gpu(self, sample: SampleNetwork) -> None:
        """Catches the same where only CUDA sees it, and feedback weights that stay on the CPU."""
        trial = self.start(sample, device="cuda")
        on_cpu = sample.batch(0)
        batch = Batch(on_cpu.inputs.cuda(), on_cpu.targets.cuda(), on_cpu.criterion)
        trial.step(batch)  # libraries may wait for the device the first time they are used
        with synchronization_is_an_error():
            trial.compute_gradients(batch)
            trial.update_weights()
            trial.rule.after_update()
        require(
            not (problems := self._unsound(trial)),
            asks="finite gradients of the parameters' shapes and types, also on a GPU",
            seen=problems,
            remedy="keep feedback weights as buffers, so that they move with the rule",
        )

    def _trained(self) -> str:
        return "every parameter" if self.rule.traits.trains_hidden else "the readout's parameters"

    def _unsound(self, trial: Trial) -> list[str]:
        problems = []
        for name, parameter in trial.network.named_parameters():
            if not self.learns(trial, name):
                continue
            gradient = parameter.grad
            if gradient is None:
                problems.append(f"{name} has none")
            elif gradient.shape != parameter.shape or gradient.dtype != parameter.dtype:
                problems.append(f"{name}: {tuple(gradient.shape)} of {gradient.dtype}")
            elif not gradient.isfinite().all():
                problems.append(f"{name}: {int((~gradient.isfinite()).sum())} values are not finite")
            elif gradient.requires_grad:
                problems.append(f"{name} has an autograd graph")
        return problems


def _cancelled_by_norm(trial: Trial, parameter: str) -> bool:
    """Return True for a bias that the norm right after it subtracts again: no rule can move it."""
    segment = trial.network.segments[trial.segment_of(parameter)]
    linear_map: LinearMap = segment.map
    if segment.norm is None or segment.norm_order != "norm_first":
        return False
    # A norm over several channels takes their common mean away, not each channel's own bias.
    several = isinstance(segment.norm, nn.GroupNorm) and segment.norm.num_groups < segment.norm.num_channels
    return not several and linear_map.bias is trial.network.get_parameter(parameter)


def _ratio(numerator: torch.Tensor, denominator: torch.Tensor) -> float:
    return float(numerator.norm() / denominator.norm())
