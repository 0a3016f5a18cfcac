"""Phases of a training step, and the time that each takes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """Work of a training step beyond one forward pass and its credit.

    Attributes:
        name: one or two words: ``free``, ``nudged``, ``negative data``, ``inference``.
        passes: number of passes through the network that it takes, in forward passes of the batch.
        labels: True if the phase sees the labels.
        fresh_data: True if it is not on the batch's own inputs: noise, or examples that the rule makes.

    """

    name: str
    passes: float
    labels: bool = False
    fresh_data: bool = False


class PhaseTimes:
    """Seconds by phase, summed over steps."""

    def __init__(self, synchronize: Callable[[], None] = lambda: None) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._synchronize = synchronize

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Add the block's time to a phase; a device's work is waited for at both ends."""
        self._synchronize()
        began = time.perf_counter()
        try:
            yield
        finally:
            self._synchronize()
            self.seconds[name] += time.perf_counter() - began
