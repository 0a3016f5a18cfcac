"""Other work on this machine: what other processes use of its processors and its GPU while times are measured."""

from __future__ import annotations

import time

import psutil
import torch

LOOK_S = 1.0
"""Seconds over which other work is looked for before a measurement."""

MAX_OTHER_CORES = 0.25
"""Cores that other processes may use; a desktop's services stay below."""

MAX_OTHER_SHARE = 0.02
"""The same as a share of all cores, for machines with many."""

MAX_GPU_PERCENT = 5


class OtherWork:
    """Processor time of all processes but this one and its children, from the moment it is made."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), _busy_s(), _own_s()

    def cores(self) -> float:
        """Return the cores that other processes used on average since the start; 0 where it cannot be told."""
        began, busy, own = self._start
        elapsed = time.perf_counter() - began
        return max(0.0, (_busy_s() - busy) - (_own_s() - own)) / elapsed if elapsed > 0 else 0.0


def allowed_cores() -> float:
    """Return the cores that other processes may use on a machine that counts as idle."""
    return max(MAX_OTHER_CORES, MAX_OTHER_SHARE * (psutil.cpu_count() or 1))


def find_other_work(device: torch.device, look_s: float = LOOK_S) -> str:
    """Return what else uses this machine now, in words; empty if it is idle.

    Args:
        device: the device to measure; a GPU's utilization is read too, if NVIDIA's library is installed.
        look_s: seconds to look for.

    """
    processes = _other_processes()
    work = OtherWork()
    time.sleep(look_s)
    cores = work.cores()
    found = []
    if cores > allowed_cores():
        names = [f"{name} {share:.1f}" for share, name in _busiest(processes)[:3]]
        found.append(f"other processes use {cores:.1f} cores" + (f" ({', '.join(names)})" if names else ""))
    percent = _gpu_percent(device)
    if percent is not None and percent > MAX_GPU_PERCENT:
        found.append(f"{device} is {percent} % busy")
    return "; ".join(found)


def _other_processes() -> list[psutil.Process]:
    own = {psutil.Process().pid, *(child.pid for child in psutil.Process().children(recursive=True))}
    found = [process for process in psutil.process_iter() if process.pid not in own]
    _busiest(found)  # the first reading starts the count
    return found


def _busiest(processes: list[psutil.Process]) -> list[tuple[float, str]]:
    """Return (cores, name) of processes that use any, the busiest first."""
    found = []
    for process in processes:
        try:
            share = process.cpu_percent(None) / 100
            if share >= 0.05:
                found.append((share, process.name()))
        except psutil.Error:
            continue  # it has ended, or is another user's
    return sorted(found, reverse=True)


def _busy_s() -> float:
    times = psutil.cpu_times()
    # Guests are counted in user time already; time stolen by another virtual machine is other work.
    names = ("user", "nice", "system", "irq", "softirq", "steal")
    return float(sum(getattr(times, name, 0.0) for name in names))


def _own_s() -> float:
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return float(total)


def _gpu_percent(device: torch.device) -> int | None:
    """Return a GPU's utilization before this process uses it; None for a processor, or without NVIDIA's library."""
    if device.type != "cuda":
        return None
    try:
        return int(torch.cuda.utilization(device))
    except Exception:  # no library, or an error of NVML's own kind: a part of a GPU has no utilization
        return None
