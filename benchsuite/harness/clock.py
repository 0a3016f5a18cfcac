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
    """Adds up wall time by purpose, waiting for the device at both ends of each stretch.

    Attributes:
        synchronize: waits until the device has done all it was given; does nothing on a CPU.
        spent: seconds by purpose.

    """

    synchronize: Callable[[], None] = lambda: None
    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, purpose: str) -> Iterator[None]:
        """Add the block's wall time to a purpose, also when it raises."""
        self.synchronize()
        start = time.perf_counter()
        try:
            yield
        finally:
            self.synchronize()
            self.spent[purpose] = self.spent.get(purpose, 0.0) + time.perf_counter() - start

    @contextmanager
    def apart(self, purpose: str, within: str) -> Iterator[None]:
        """Add the block's wall time to a purpose and take it from another, within whose stretch the block lies."""
        before = self.spent.get(purpose, 0.0)
        try:
            with self.measure(purpose):
                yield
        finally:
            self.spent[within] = self.spent.get(within, 0.0) - (self.spent[purpose] - before)
