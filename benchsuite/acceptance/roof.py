"""Part ``roof``: the device's own speed limits, by one operation alone: matrix products, and copies in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch

from benchsuite.acceptance.parts import PartRequest, Report
from benchsuite.records.selftest import Roof
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.training.device import Device, open_device

SIDES = {"cpu": 1024, "cuda": 8192}
"""Rows and columns of the matrices."""

COPIED_MIB = {"cpu": 64, "cuda": 1024}
"""Size of the tensor that is copied: larger than caches."""

REPEATS = 20


def measure(request: PartRequest, report: Report) -> None:
    """Report the fastest product per precision, and the fastest copy."""
    precisions = ("fp32", "tf32", "bf16") if request.is_gpu else ("fp32",)
    last = request.left_s() / (len(precisions) + 1)
    for precision in precisions:
        device = open_device(HardwareSpec(name="selftest", device=request.device, precision=precision))
        side = SIDES[device.torch_device.type]
        left, right, product = (
            torch.randn(side, side, device=device.torch_device, dtype=device.autocast_dtype or torch.float32)
            for _ in range(3)
        )  # (side, side) each
        seconds = _fastest(partial(torch.mm, left, right, out=product), device, last)
        rate = 2 * side**3 / seconds / 1e9
        report(Roof(operation="matrix product", precision=precision, rate=rate, unit="GFLOP/s"))
    device = open_device(HardwareSpec(name="selftest", device=request.device))
    source = torch.ones(COPIED_MIB[device.torch_device.type] * 2**18, device=device.torch_device)  # (numbers,)
    target = torch.empty_like(source)
    seconds = _fastest(partial(target.copy_, source), device, last)
    # Each byte is read and written.
    rate = 2 * source.numel() * source.element_size() / seconds / 1e9
    report(Roof(operation="copy", precision="fp32", rate=rate, unit="GB/s"))


def _fastest(act: Callable[[], object], device: Device, at_most_s: float) -> float:
    """Return the least time of several calls: other work on the machine can only make one slower."""
    best = float("inf")
    act()
    end = time.perf_counter() + at_most_s
    for _ in range(REPEATS):
        device.synchronize()
        began = time.perf_counter()
        act()
        device.synchronize()
        best = min(best, time.perf_counter() - began)
        if time.perf_counter() > end:
            break
    return best
