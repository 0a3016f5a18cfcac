"""Choose where runs are made: in this process, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from benchsuite.errors import HardwareError
from benchsuite.execution.executor import Executor
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.training.device import resolve_hardware
from benchsuite.training.ranks import Ranks

ExecutorName = Literal["local", "ray"]
"""``local``: here, one after the other. ``ray``: on a Ray cluster, many at once."""


def hardware_resolver(executor: ExecutorName) -> Callable[[HardwareSpec], HardwareSpec]:
    """Return the function that makes a spec's device explicit where the runs are made."""
    if executor == "local":
        return resolve_hardware
    from benchsuite.execution.ray_executor import resolve_for_cluster

    return resolve_for_cluster


def make_executor(name: ExecutorName, ranks: Ranks) -> Executor | None:
    """Return the executor that makes the runs elsewhere; None if they are made here."""
    if name == "local":
        return None
    if ranks.world_size > 1:
        raise HardwareError(
            "torchrun (splits one run) and --executor ray (makes many runs) cannot be combined; leave one out"
        )
    from benchsuite.execution.ray_executor import RayExecutor

    return RayExecutor()
