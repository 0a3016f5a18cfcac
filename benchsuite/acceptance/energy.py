"""Part ``energy``: energy of training steps, where the device has a counter."""

from __future__ import annotations

import time

from benchsuite.acceptance.parts import PartRequest, Report
from benchsuite.acceptance.trainers import BATCH_SIZE, MEASURED, PROTOCOL, make_trainer
from benchsuite.errors import PartSkippedError
from benchsuite.records.selftest import EnergyUse
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.training.device import open_device
from benchsuite.training.step_choice import choose_step

BATCHES_PER_EPOCH = 60
MOST_S = 10.0
"""Time per network; counters are renewed many times in it."""


def measure(request: PartRequest, report: Report) -> None:
    """Report a row per network.

    Raises:
        PartSkippedError: if there is no counter; the message is the meter's own reason.

    """
    device = open_device(HardwareSpec(name="selftest", device=request.device))
    joules = device.energy.joules
    if joules is None:
        raise PartSkippedError(f"no energy counter: {device.energy.source}")
    for number, network in enumerate(MEASURED):
        data = network.data(BATCHES_PER_EPOCH * BATCH_SIZE, device)
        trainer = make_trainer(network.architecture, network.shapes, data, PROTOCOL, device, installed_registry())
        trainer.begin()
        choice = choose_step(trainer, "auto")
        trainer.train_epoch()
        seconds = min(MOST_S, request.left_s() / (len(MEASURED) - number))
        device.synchronize()
        epochs, before, began = 0, joules(), time.perf_counter()
        while epochs == 0 or time.perf_counter() - began < seconds:
            trainer.train_epoch()  # its end waits for the device
            epochs += 1
        used, elapsed = joules() - before, time.perf_counter() - began
        if used <= 0:
            raise PartSkippedError(f"the counter ({device.energy.source}) stood still for {elapsed:.0f} s")
        images = epochs * BATCHES_PER_EPOCH * BATCH_SIZE
        report(
            EnergyUse(
                network=network.name,
                step=choice.step,
                joules_per_1000_images=round(1000 * used / images, 6),
                watts=round(used / elapsed, 2),
                counter=device.energy.source,
            )
        )
