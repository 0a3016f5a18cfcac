"""Random stream for rules that draw after ``attach``: noise, magnitudes, perturbations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from benchsuite.credit.batch import Batch


class RandomStream(nn.Module):
    """A random stream seeded from the feedback stream, on the device of the draws, saved with the rule.

    Register it as a submodule of a rule: its state is then part of ``rule.state_dict()``. The generator is created at
    the first draw, when the rule's device is known: a draw on the CPU would make a GPU wait every step.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self._seed = int(torch.randint(2**62, (), generator=generator))
        self._state: Tensor | None = None
        self._generator: Generator | None = None

    def on(self, device: torch.device) -> Generator:
        """Return the generator; the device must stay the same for the whole run."""
        if self._generator is None:
            self._generator = Generator(device).manual_seed(self._seed)
            if self._state is not None:
                self._generator.set_state(self._state)
        return self._generator

    @property
    def made(self) -> Generator | None:
        """Return the generator if it has been created."""
        return self._generator

    def ahead(self, device: torch.device) -> Generator:
        """Return a generator with the next draws that does not advance the stream: for evaluation mode."""
        generator, state = Generator(device).manual_seed(self._seed), self.get_extra_state()["state"]
        return generator if state is None else generator.set_state(state)

    def get_extra_state(self) -> dict[str, Any]:
        """Return seed and state as plain data; the state is None before the first draw."""
        state = self._state if self._generator is None else self._generator.get_state()
        return {"seed": self._seed, "state": state}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore seed and state, to continue a saved stream."""
        self._seed, self._state, self._generator = state["seed"], state["state"], None


def normal_noise(shape: torch.Size, like: Tensor, generator: Generator, batch: Batch) -> Tensor:
    """Return standard normal noise per example, the same on whichever rank an example is.

    If several ranks share a batch, each draws for the whole batch and keeps its part: streams stay in step, and a run
    does not depend on the number of ranks.

    Args:
        shape: (batch, …), for the examples of this rank.
        like: a tensor with the dtype and device of the noise. Noise in float64 is drawn in float32 and widened, so that
            a rule sees the same noise in both.
        generator: a generator on that device, in the same state on all ranks.
        batch: the batch of the examples.

    """
    drawn = torch.Size((batch.shard.batch_size, *shape[1:])) if batch.shard else shape
    dtype = torch.float32 if like.dtype == torch.float64 else like.dtype
    noise = torch.randn(drawn, dtype=dtype, device=like.device, generator=generator).to(like.dtype)  # (batch, ...)
    return noise[batch.shard.start : batch.shard.start + shape[0]] if batch.shard else noise


def wrong_labels(batch: Batch, classes: int, generator: Generator) -> Tensor:
    """Return a wrong label per example, all equally likely, the same on whichever rank an example is; shape (batch,).

    Args:
        batch: the batch of the examples; see ``normal_noise``.
        classes: number of classes, at least two.
        generator: a generator on the targets' device, in the same state on all ranks.

    """
    count = batch.shard.batch_size if batch.shard else len(batch.targets)
    shift = torch.randint(1, classes, (count,), device=batch.targets.device, generator=generator)
    own = shift[batch.shard.start : batch.shard.start + len(batch.targets)] if batch.shard else shift
    return (batch.targets + own) % classes
