"""Part ``rates``: images per second of eager and recorded steps, against the roofline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchsuite.acceptance.parts import PartRequest, Report, described
from benchsuite.acceptance.roofline import roofline_ms
from benchsuite.acceptance.trainers import BATCH_SIZE, CONV, MEASURED, PROTOCOL, MeasuredNetwork, make_trainer
from benchsuite.errors import PartFailedError
from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.records.selftest import StepRate
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.hardware import CompileMode, HardwareSpec, MemoryFormat, Precision
from benchsuite.training.device import open_device
from benchsuite.training.memory_format import choose_memory_format
from benchsuite.training.step_choice import choose_step, compile_step

if TYPE_CHECKING:
    from benchsuite.training.device import Device
    from benchsuite.training.trainer import Trainer

BATCHES_PER_EPOCH = 60
ROUNDS = 3
"""The fastest counts: other work on the machine can only make a step slower."""

MOST_ROUND_S = 2.0

Setting = tuple[MeasuredNetwork, Precision, MemoryFormat]


def measure(request: PartRequest, report: Report) -> None:
    """Report a row per network, precision, memory format and step.

    Raises:
        PartFailedError: if time ran out before the end.

    """
    wanted = [(setting, step) for setting in settings(request) for step in ("eager", "recorded")]
    for number, (setting, step) in enumerate(wanted):
        share = request.left_s() / (len(wanted) - number)
        if share <= 0:
            raise PartFailedError(
                f"time ran out before {len(wanted) - number} of {len(wanted)} measurements; give more --minutes"
            )
        report(step_rate(request, setting, {"step": step}, share))


def settings(request: PartRequest) -> Iterator[Setting]:
    """Yield networks with the precisions and memory formats that are measured on the device."""
    for network in MEASURED:
        yield network, "fp32", "contiguous"
    if request.is_gpu:
        yield CONV, "fp32", "channels_last"
        for network in MEASURED:
            yield network, "bf16", "contiguous"
        yield CONV, "bf16", "channels_last"


def step_rate(request: PartRequest, setting: Setting, wanted: dict[str, Any], seconds: float) -> StepRate:
    """Measure one kind of step for about these seconds, setting up included; an error is the row's reason.

    Args:
        request: names the device, and has the limits that were measured before.
        setting: network, precision and memory format.
        wanted: fields ``step`` and ``compile`` of the hardware spec.
        seconds: time for it.

    """
    end = time.perf_counter() + seconds
    network, precision, memory_format = setting
    common: dict[str, Any] = {"network": network.name, "precision": precision, "memory_format": memory_format}
    hardware = HardwareSpec(
        name="selftest", device=request.device, precision=precision, memory_format=memory_format, **wanted
    )
    keep_freed_memory()
    registry = installed_registry()
    try:
        device = open_device(hardware)
        data = network.data(BATCHES_PER_EPOCH * BATCH_SIZE, device)
        trainer = make_trainer(network.architecture, network.shapes, data, PROTOCOL, device, registry)
        choose_memory_format(trainer, memory_format, device.synchronize)
        trainer.begin()
        refused = compile_step(trainer, hardware.compile)
        choice = choose_step(trainer, hardware.step)
        step_s = fastest_step_s(trainer, device, end - time.perf_counter())
    except Exception as error:
        return StepRate(**common, step="eager", reason=described(error))
    least = roofline_ms(network.shapes, PROTOCOL, registry, precision, request.earlier)
    return StepRate(
        **common,
        step=choice.step,
        compiled=_compiles(hardware.compile) and not refused,
        images_per_s=round(BATCH_SIZE / step_s, 1),
        step_ms=round(1000 * step_s, 4),
        roofline_ms=None if least is None else round(least, 4),
        roofline_share=None if least is None else round(least / (1000 * step_s), 4),
        reason=refused or (choice.reason if hardware.step == "recorded" else ""),
    )


def _compiles(mode: CompileMode) -> bool:
    return mode != "none"


def fastest_step_s(trainer: Trainer, device: Device, seconds: float) -> float:
    """Return the mean time of a step in the fastest of several rounds, which take about these seconds together."""
    steps = trainer.endless_steps()

    def stretch(count: int) -> float:
        device.synchronize()
        began = time.perf_counter()
        for _ in range(count):
            next(steps)
        device.synchronize()
        return (time.perf_counter() - began) / count

    end = time.perf_counter() + seconds
    stretch(1)  # may choose kernels
    one = stretch(1)
    rounds: list[float] = []
    for done in range(ROUNDS):
        left = end - time.perf_counter()
        if left < one:
            break
        rounds.append(stretch(max(1, round(min(MOST_ROUND_S, left / (ROUNDS + 1 - done)) / one))))
    return min(rounds, default=one)
