"""Check that processes that share a batch train as one process does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, BrokenBarrierError, Lock

import torch
from torch import Tensor

from benchsuite.conformance.kit.cases import deepest_of_each_form, only_where
from benchsuite.conformance.kit.settings import ConformanceSettings, refusal_skips, require
from benchsuite.conformance.samples.networks import SampleNetwork
from benchsuite.conformance.samples.trial import Trial
from benchsuite.credit.batch import Batch, BatchShard

_STEPS = 2
_SHARES = (8, 4)
"""Examples of each rank in a batch of 12."""
_PATIENCE_S = 60.0


class RankChecks(ConformanceSettings):
    """Checks on several processes; here they are two threads with a rule and a network each."""

    # Where examples mix, through a norm or by a draw of the network's, the two are not meant to be equal.
    @only_where(
        lambda suite, sample: (
            not sample.mixes_examples and sample.name in deepest_of_each_form(_unmixed(suite.compatible()))
        )
    )
    def test_two_ranks_train_as_one(self, sample: SampleNetwork) -> None:
        """Catches draws per rank instead of per batch, and quantities of the batch that are sums over one rank."""
        alone, *ranks = (self._exact(sample) for _ in range(1 + len(_SHARES)))
        for position in range(_STEPS):
            batch = sample.batch(position, size=sum(_SHARES), dtype=torch.float64)
            alone.step(batch)
            _step_together(ranks, batch)
        parts = [_weights(trial) for trial in (alone, *ranks)]
        off = [
            name
            for name, weight in parts[0].items()
            if not all(torch.allclose(weight, part[name], rtol=1e-8, atol=1e-10) for part in parts[1:])
        ]
        require(
            not off,
            asks="two ranks with 8 and 4 examples of each batch end with the weights of one with all 12",
            seen=[f"{name} differs by {float((parts[1][name] - parts[0][name]).abs().max()):.2g}" for name in off],
            remedy="leave gradients of means over the examples at hand; draw per example with normal_noise, and sum "
            "what belongs to the whole batch with batch.shard.all_reduce_sum",
        )

    def _exact(self, sample: SampleNetwork) -> Trial:
        """Return a trial in which rounding, which differs between halves of a batch, does not matter."""
        rule = self.make_rule()
        reference = rule.reference_config(rule.config)
        with refusal_skips():
            return Trial.start(rule if reference == rule.config else self.rule(reference), sample, dtype=torch.float64)


def _unmixed(samples: Sequence[SampleNetwork]) -> list[SampleNetwork]:
    return [sample for sample in samples if not sample.mixes_examples]


def _step_together(ranks: Sequence[Trial], batch: Batch) -> None:
    """Take one step on all ranks at once, each with its part of the batch, as data-parallel training does."""
    sum_over_ranks = _Sum(len(ranks))
    starts = [sum(_SHARES[:rank]) for rank in range(len(ranks))]

    def compute(rank: int) -> None:
        part = slice(starts[rank], starts[rank] + _SHARES[rank])
        shard = BatchShard(starts[rank], sum(_SHARES), sum_over_ranks.of(rank))
        try:
            own = replace(batch, inputs=batch.inputs[part], targets=batch.targets[part], shard=shard)
            with sum_over_ranks.turn:
                ranks[rank].compute_gradients(own)
        except BaseException:
            sum_over_ranks.barrier.abort()  # the others would wait for it
            raise

    with ThreadPoolExecutor(len(ranks)) as pool:
        futures = [pool.submit(compute, rank) for rank in range(len(ranks))]
        errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, BrokenBarrierError)), errors[0])
    _average(ranks)
    for trial in ranks:
        trial.update_weights()
        trial.rule.after_update()


def _average(ranks: Sequence[Trial]) -> None:
    """Give every rank the mean gradient, each rank's weighted by its share of the batch."""
    trained = [[weight for group in trial.optimizer.param_groups for weight in group["params"]] for trial in ranks]
    for copies in zip(*trained, strict=True):
        gradients = [weight.grad for weight in copies]
        if all(gradient is None for gradient in gradients):
            continue
        terms = [g * n for g, n in zip(gradients, _SHARES, strict=True) if g is not None]
        mean = torch.stack(terms).sum(0) / sum(_SHARES)
        for weight in copies:
            weight.grad = mean.clone()


def _weights(trial: Trial) -> dict[str, Tensor]:
    return {
        name: value for name, value in trial.state().items() if isinstance(value, Tensor) and value.is_floating_point()
    }


class _Sum:
    """A sum over ranks that are threads."""

    def __init__(self, ranks: int) -> None:
        self.barrier = Barrier(ranks, timeout=_PATIENCE_S)
        # One rank works at a time, until it waits: a process has one level of forward-mode derivatives for all threads.
        self.turn = Lock()
        self._terms: list[Tensor | None] = [None] * ranks

    def of(self, rank: int) -> Callable[[Tensor], Tensor]:
        """Return one rank's function."""

        def all_reduce_sum(term: Tensor) -> Tensor:
            self._terms[rank] = term
            self.turn.release()
            try:
                self.barrier.wait()
                total = torch.stack([each for each in self._terms if each is not None]).sum(0)
                self.barrier.wait()  # nobody gives the next term before all have read this one
            finally:
                self.turn.acquire()
            return total

        return all_reduce_sum
