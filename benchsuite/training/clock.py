"""What is on the clock and what is not.

On it: training steps and everything a rule needs (feedback updates, mirror phases), and moving each batch into place.
Off it: reading data, building, warm-up, compilation, evaluation, diagnostics, checkpoints, logging.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Adds up wall time, processor time and energy by purpose, waiting for the device at both ends of each stretch.

    Attributes:
        synchronize: waits until the device has done all it was given; does nothing on a CPU.
        joules: the device's counter of energy; None where there is none.
        spent: seconds by purpose.
        worked: seconds of this process on processors, all threads together, by purpose.
        used: joules by purpose; empty without a counter.

    """

    synchronize: Callable[[], None] = lambda: None
    joules: Callable[[], float] | None = None
    spent: dict[str, float] = field(default_factory=dict)
    worked: dict[str, float] = field(default_factory=dict)
    used: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, purpose: str) -> Iterator[None]:
        """Add what the block takes to a purpose, also when it raises."""
        self.synchronize()
        counter = self.joules
        before = counter() if counter else 0.0
        worked = time.process_time()
        start = time.perf_counter()
        try:
            yield
        finally:
            self.synchronize()
            _add(self.spent, purpose, time.perf_counter() - start)
            _add(self.worked, purpose, time.process_time() - worked)
            if counter:
                _add(self.used, purpose, counter() - before)

    @contextmanager
    def apart(self, purpose: str, within: str) -> Iterator[None]:
        """Add what the block takes to a purpose and take it from another, within whose stretch the block lies."""
        before = [(sums, sums.get(purpose, 0.0)) for sums in (self.spent, self.worked, self.used)]
        try:
            with self.measure(purpose):
                yield
        finally:
            for sums, earlier in before:
                if purpose in sums:
                    _add(sums, within, earlier - sums[purpose])


def _add(sums: dict[str, float], purpose: str, amount: float) -> None:
    sums[purpose] = sums.get(purpose, 0.0) + amount
