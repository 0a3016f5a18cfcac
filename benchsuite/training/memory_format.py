"""Choice of the memory format of images during training: contiguous or channels last."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

from benchsuite.credit.batch import Batch
from benchsuite.specs.models.hardware import MemoryFormat
from benchsuite.training.step import compute_gradients
from benchsuite.training.trainer import Trainer

# Steps timed per format. The fastest counts: other work on the machine can only make a step slower.
TIMED_STEPS = 4


def choose_memory_format(
    trainer: Trainer, wanted: MemoryFormat, synchronize: Callable[[], None], known: bool | None = None
) -> tuple[bool, str]:
    """Put a trainer's network, rule and batches into one memory format, and leave everything else as it was.

    Args:
        trainer: set up, its warm-up done.
        wanted: the format that the hardware spec asks for.
        synchronize: waits for the device.
        known: for a resumed run, True if it was started with channels last; None for a new run.

    Returns:
        True if the format is now channels last, and the measured times; an empty text if nothing was measured.

    """
    if wanted != "fastest" or known is not None:
        last = wanted == "channels_last" if known is None else known
        trainer.set_channels_last(last)
        return last, ""
    before = copy.deepcopy(trainer.state())
    batch = next(trainer.batches())
    took: dict[bool, float] = {}
    complaint = ""
    for last in (False, True):
        trainer.set_channels_last(last)
        try:
            took[last] = _step_time_s(trainer, batch, synchronize)
        except RuntimeError as error:
            # A map or a rule that accepts only one memory format.
            took[last] = float("inf")
            complaint = f" ({str(error).strip().splitlines()[0][:80]})"
    faster = trainer.ranks.broadcast_object(took[True] < took[False])
    trainer.set_channels_last(faster)
    trainer.optimizer.zero_grad(set_to_none=True)
    trainer.load_state(before)
    times = [f"{1000 * took[last]:.1f} ms" if took[last] < float("inf") else f"fails{complaint}" for last in took]
    return faster, f"forward and credit take {times[0]} contiguous, {times[1]} with channels last"


def _step_time_s(trainer: Trainer, batch: Batch, synchronize: Callable[[], None]) -> float:
    trainer.network.train()
    trainer.rule.train()
    batch = trainer.with_memory_format(batch)
    best = float("inf")
    for step in range(TIMED_STEPS + 1):
        synchronize()
        start = time.perf_counter()
        compute_gradients(trainer.network, trainer.rule, trainer.optimizer, batch)
        synchronize()
        if step:  # the first one selects kernels
            best = min(best, time.perf_counter() - start)
    return best
