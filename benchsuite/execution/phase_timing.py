"""Measure the parts of a rule's work: its phases, and a prediction."""

from __future__ import annotations

import time
from itertools import islice

import torch

from benchsuite.credit.batch import Batch
from benchsuite.credit.phases import PhaseTimes
from benchsuite.training.device import Device
from benchsuite.training.trainer import Trainer


def shares_of_phases(trainer: Trainer, count: int, device: Device) -> dict[str, float]:
    """Take eager training steps and return the share of their time that each of the rule's phases takes, 0 to 1.

    A captured step runs none of the rule's code, so nothing could be told of its phases. Waiting for the device around
    each phase slows a step down. So these steps are not among those that are timed.
    """
    rule = trainer.rule
    if not rule.phases(rule.config):
        return {}
    recorded, trainer.recorded = trainer.recorded, None
    rule.phase_times = PhaseTimes(device.synchronize)
    try:
        began = time.perf_counter()
        for _ in islice(trainer.endless_steps(), count):
            pass
        device.synchronize()
        elapsed = time.perf_counter() - began
        return {name: seconds / elapsed for name, seconds in rule.phase_times.seconds.items()}
    finally:
        rule.phase_times = None
        trainer.recorded = recorded


def prediction_time_us(trainer: Trainer, device: Device, repeats: int = 5) -> float:
    """Return the median time of a prediction in microseconds per example, in batches of the evaluation's size."""
    trainer.network.eval()
    trainer.rule.eval()
    size = trainer.protocol.evaluation.batch_size
    inputs, targets = next(iter(trainer.data.train_slices(size, 0, 1)))
    batch = trainer.with_memory_format(Batch(inputs, targets, trainer.criterion))
    times = []
    with torch.no_grad():
        for _ in range(1 + repeats):  # the first is a warm-up
            device.synchronize()
            began = time.perf_counter()
            trainer.rule.predict(batch.inputs)
            device.synchronize()
            times.append(time.perf_counter() - began)
    trainer.network.train()
    trainer.rule.train()
    return 1e6 * sorted(times[1:])[repeats // 2] / len(targets)
