"""A random stream for rules that draw after ``attach``: noise, magnitudes, perturbations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from benchsuite.credit.rule import Batch


class RandomStream(nn.Module):
    """A stream seeded from the feedback stream, drawing on whatever device is asked for, saved with the rule.

    Registered as a rule's submodule its state is part of ``rule.state_dict()``. The generator is made at the first
    draw, because only then is it known where the rule was moved to: a draw on the CPU would make a GPU wait every step.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self._seed = int(torch.randint(2**62, (), generator=generator))
        self._state: Tensor | None = None
        self._generator: Generator | None = None

    def on(self, device: torch.device) -> Generator:
        """Return the generator; one device for the whole run."""
        if self._generator is None:
            self._generator = Generator(device).manual_seed(self._seed)
            if self._state is not None:
                self._generator.set_state(self._state)
        return self._generator

    def ahead(self, device: torch.device) -> Generator:
        """Return a generator of what will be drawn next, which leaves the stream where it is: for evaluation mode."""
        generator, state = Generator(device).manual_seed(self._seed), self.get_extra_state()["state"]
        return generator if state is None else generator.set_state(state)

    def get_extra_state(self) -> dict[str, Any]:
        """Return seed and state as plain data; the state is None before the first draw."""
        state = self._state if self._generator is None else self._generator.get_state()
        return {"seed": self._seed, "state": state}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Continue where ``state`` was saved."""
        self._seed, self._state, self._generator = state["seed"], state["state"], None


def normal_noise(shape: torch.Size, like: Tensor, generator: Generator, batch: Batch) -> Tensor:
    """Return standard normal noise for each example, the same whoever works on it.

    Where several processes share a batch each draws for all of it and keeps its own: streams stay together, and a run
    does not depend on how many processes made it.

    Args:
        shape: (batch, …), of this process's examples.
        like: has the noise's type and device.
        generator: on that device, in the same state everywhere.
        batch: whose examples.

    """
    drawn = torch.Size((batch.share.whole, *shape[1:])) if batch.share else shape
    noise = torch.randn(drawn, dtype=like.dtype, device=like.device, generator=generator)
    return noise[batch.share.first : batch.share.first + shape[0]] if batch.share else noise
