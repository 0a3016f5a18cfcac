"""Measurement of time and energy by purpose.

On the clock: training steps, everything a rule needs (feedback updates, mirror phases), and moving each batch into
place. Off the clock: reading data, building, warm-up, compilation, evaluation, diagnostics, checkpoints, logging.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Sums of wall time, CPU time and energy per purpose; synchronizes the device before and after each measurement.

    Attributes:
        synchronize: waits until the device has finished all its work; does nothing on a CPU.
        joules: the device's energy counter; None if it has none.
        spent: wall time in seconds, per purpose.
        worked: CPU time of this process in seconds, summed over threads, per purpose.
        used: energy in joules, per purpose; empty without a counter.
        on_switch: called with the purpose that is measured from now on, or None; also when an inner block ends and its
            outer block goes on.

    """

    synchronize: Callable[[], None] = lambda: None
    joules: Callable[[], float] | None = None
    spent: dict[str, float] = field(default_factory=dict)
    worked: dict[str, float] = field(default_factory=dict)
    used: dict[str, float] = field(default_factory=dict)
    on_switch: Callable[[str | None], None] = lambda purpose: None
    _purpose: str | None = None

    @contextmanager
    def measure(self, purpose: str) -> Iterator[None]:
        """Add the time and energy of the block to a purpose, also when the block raises."""
        self.synchronize()
        outer = self._purpose
        self._switch(purpose)
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
            self._switch(outer)

    def _switch(self, purpose: str | None) -> None:
        self._purpose = purpose
        self.on_switch(purpose)

    @contextmanager
    def apart(self, purpose: str, within: str) -> Iterator[None]:
        """Add the time and energy of the block to ``purpose``, and take them off ``within``, measured around it."""
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
