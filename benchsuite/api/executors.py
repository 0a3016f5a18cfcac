"""Choose where runs are made: in workers, in this process, or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal, cast, get_args

from benchsuite.errors import HardwareError, Problem, SpecError, nearest
from benchsuite.execution.executor import Executor
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.training.device import resolve_hardware
from benchsuite.training.ranks import Ranks

ExecutorName = Literal["local", "inline", "ray"]
"""``local``: here, one after the other, each in a process of its own. ``inline``: in this process, for debuggers.
``ray``: on a Ray cluster, many at once."""


def chosen_executor(name: ExecutorName | None) -> ExecutorName:
    """Return the executor that is asked for; ``$BENCHSUITE_EXECUTOR`` or ``local`` if none is.

    Raises:
        SpecError: if there is none of this name.

    """
    found = name or os.environ.get("BENCHSUITE_EXECUTOR") or "local"
    if found not in get_args(ExecutorName):
        known = get_args(ExecutorName)
        raise SpecError([Problem(f"no executor '{found}'{nearest(found, known)} (there are {', '.join(known)})")])
    return cast("ExecutorName", found)


def hardware_resolver(executor: ExecutorName) -> Callable[[HardwareSpec], HardwareSpec]:
    """Return the function that makes a spec's device explicit where the runs are made."""
    if executor != "ray":
        return resolve_hardware
    from benchsuite.execution.ray_executor import resolve_for_cluster

    return resolve_for_cluster


def make_executor(name: ExecutorName, ranks: Ranks) -> Executor | None:
    """Return the executor that makes the runs elsewhere; None if they are made on this machine."""
    if name != "ray":
        return None
    if ranks.world_size > 1:
        raise HardwareError(
            "torchrun (splits one run) and --executor ray (makes many runs) cannot be combined; leave one out"
        )
    from benchsuite.execution.ray_executor import RayExecutor

    return RayExecutor()
