"""Choose torch's threads per run, from the run alone, and how many runs are made at the same time."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite.execution.compatibility import RunWithShapes
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.specs.models.architecture import PluginArchitecture
from benchsuite.specs.models.track import RunSpec

SMALL_BATCH_MACS = 4_000_000
"""Multiply-adds of one batch's forward pass below which a second thread does not pay: a fraction of a millisecond. On
digits-fc two threads took 25 times the processor time of one on a busy machine: they waited for each other."""


def has_small_steps(spec: RunSpec, shapes: NetworkShapes) -> bool:
    """Return True if a run's steps are too small for several threads; the same for all rules of a track.

    Never for a plugin's network, whose shapes are not known everywhere before it is built.
    """
    if isinstance(spec.architecture, PluginArchitecture) or spec.pretraining.epochs:
        return False
    macs = spec.protocol.batch_size * sum(segment.macs for segment in shapes.segments)
    return macs < SMALL_BATCH_MACS


def threads_of_run(spec: RunSpec, shapes: NetworkShapes, available: int) -> int:
    """Return the number of torch's threads for a run on a CPU.

    It depends on the run and the machine, never on other runs: the number of threads can change rounding.

    Args:
        spec: its hardware spec may give the number.
        shapes: of its network.
        available: torch's own choice on this machine.

    """
    return spec.hardware.threads or (1 if has_small_steps(spec, shapes) else available)


def jobs_that_pay(runs: Sequence[RunWithShapes], available: int) -> int:
    """Return how many of these runs to make at the same time, each with all its threads; 1 on a GPU."""
    if any(run.selected.spec.hardware.device != "cpu" for run in runs):
        return 1
    most = max(threads_of_run(run.selected.spec, run.shapes, available) for run in runs)
    return max(1, min(len(runs), available // most))
