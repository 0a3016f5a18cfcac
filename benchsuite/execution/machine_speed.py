"""Speed of this machine in training steps: measured once in a second, kept in the user's cache folder.

A step takes a fixed time, whatever its size, and a time per operation. Two dense networks of different sizes give both.
What is kept is read without importing torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from benchsuite.errors import StoreError
from benchsuite.files import write_text_atomically
from benchsuite.training.processor import processor_name

if TYPE_CHECKING:
    from benchsuite.execution.planned_run import Estimate
    from benchsuite.specs.models.hardware import HardwareSpec

LAYOUT = 2
"""Increased when what is measured or kept changes."""

SMALL, LARGE = (64, 64, 10, 32), (784, 1024, 10, 128)
"""Inputs, hidden units, classes and batch size of the two networks."""

MEASURE_S = 0.4
"""Time of training each network; the fastest tenth of its steps count, which other programs disturbed least."""

MORE_THREADS = 0.5
"""Part of a core's speed that each further thread adds: between dense networks, where it is less, and large convs."""


@dataclass(frozen=True)
class MachineSpeed:
    """Speed of training steps on one device.

    Attributes:
        step_s: time of a step that computes nothing.
        flops_per_s: operations per second in a large step.

    """

    step_s: float
    flops_per_s: float

    def hours(self, estimate: Estimate, processes: int = 1) -> float:
        """Return about how many hours a run's training steps take, without evaluation."""
        steps = estimate.flops_total / estimate.flops_per_step if estimate.flops_per_step else 0.0
        return (steps * self.step_s + estimate.flops_total / self.flops_per_s / processes) / 3600


def machine_speed(hardware: HardwareSpec) -> MachineSpeed:
    """Return the speed of resolved hardware on this machine: the kept one, or a new measurement."""
    path = _path(hardware)
    found = _read(path)
    if found is None:
        found = _measure(hardware)
        with suppress(StoreError):  # a folder that cannot be written costs a second next time
            write_text_atomically(path, json.dumps(asdict(found)))
    return found


def _path(hardware: HardwareSpec) -> Path:
    """Return the file for this device, number format, threads and version of torch."""
    from platformdirs import user_cache_path

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")]
    used = [hardware.device, hardware.precision, hardware.threads, _device_name(hardware.device), cores, limits]
    digest = hashlib.sha256(json.dumps([LAYOUT, version("torch"), used]).encode()).hexdigest()[:32]
    return user_cache_path("benchsuite", appauthor=False) / "speed" / f"{digest}.json"


def _device_name(device: str) -> str:
    if not device.startswith("cuda"):
        return processor_name()
    import torch

    return torch.cuda.get_device_name(device)


def _read(path: Path) -> MachineSpeed | None:
    try:
        found = MachineSpeed(**json.loads(path.read_bytes()))
        return found if found.step_s >= 0 and found.flops_per_s > 0 else None
    except (OSError, ValueError, TypeError):
        return None


def _measure(hardware: HardwareSpec) -> MachineSpeed:
    import torch

    from benchsuite.training.device import open_device

    threads = torch.get_num_threads()
    device = open_device(hardware)
    is_cpu = device.torch_device.type == "cpu"
    # The time that one thread computes is the same on a busy machine; that of several depends on who waits for whom.
    clock = time.thread_time if is_cpu else time.perf_counter
    speedup = 1 + MORE_THREADS * (torch.get_num_threads() - 1) if is_cpu else 1.0
    try:
        if is_cpu:
            torch.set_num_threads(1)
        times = []
        for inputs, units, classes, batch in (SMALL, LARGE):
            model = torch.nn.Sequential(
                torch.nn.Linear(inputs, units), torch.nn.ReLU(), torch.nn.Linear(units, classes)
            ).to(device.torch_device, device.dtype)
            optimizer = torch.optim.Adam(model.parameters())
            images = torch.rand(batch, inputs, device=device.torch_device, dtype=device.dtype)  # (batch, inputs)
            targets = torch.zeros(batch, dtype=torch.long, device=device.torch_device)  # (batch,)

            def step(
                model: torch.nn.Module = model,
                optimizer: torch.optim.Optimizer = optimizer,
                images: torch.Tensor = images,
                targets: torch.Tensor = targets,
            ) -> None:
                optimizer.zero_grad()
                with torch.autocast(
                    device.torch_device.type, torch.bfloat16, enabled=device.autocast_dtype is not None
                ):
                    loss = torch.nn.functional.cross_entropy(model(images), targets)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()

            times.append(_fastest(step, device.synchronize, clock))
    finally:
        torch.set_num_threads(threads)
    found = _solve(*times)
    return MachineSpeed(found.step_s, found.flops_per_s * speedup)


def _fastest(step: Callable[[], None], synchronize: Callable[[], None], clock: Callable[[], float]) -> float:
    """Return the mean seconds per step of the fastest tenth."""
    step()
    synchronize()
    found: list[float] = []
    end = time.perf_counter() + MEASURE_S
    while not found or time.perf_counter() < end:
        start = clock()
        step()
        synchronize()
        found.append(clock() - start)
    return mean(sorted(found)[: 1 + len(found) // 10])


def _solve(small_s: float, large_s: float) -> MachineSpeed:
    """Return the fixed time per step and the operations per second that give these two times."""
    small, large = map(_flops, (SMALL, LARGE))
    flops_per_s = (large - small) / max(large_s - small_s, 1e-9)
    return MachineSpeed(max(small_s - small / flops_per_s, 0.0), flops_per_s)


def _flops(sizes: tuple[int, int, int, int]) -> float:
    """Return the operations of a step: forward, weight gradients, and the cotangent through the second map."""
    inputs, units, classes, batch = sizes
    return 2.0 * batch * (2 * inputs * units + 3 * units * classes)
