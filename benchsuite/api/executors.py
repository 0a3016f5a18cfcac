"""Choose where runs are made: in workers, in this process, or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal, cast, get_args

from benchsuite.api.options import require_a_job
from benchsuite.errors import HardwareError, Problem, SpecError, nearest
from benchsuite.execution.executor import Executor
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.training.device import resolve_hardware
from benchsuite.training.ranks import Ranks

ExecutorName = Literal["local", "inline", "ray"]
"""``local``: here, each in a process of its own, one or several at the same time. ``inline``: in this process, for
debuggers. ``ray``: on a Ray cluster, many at once."""


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


def require_jobs(jobs: int, executor: ExecutorName) -> None:
    """Check that an executor can make so many runs at the same time on this machine.

    Raises:
        SpecError: if it cannot.

    """
    require_a_job(jobs)
    if jobs == 1:
        return
    if executor == "ray":
        raise SpecError(
            [Problem("Ray makes as many runs at once as its machines have room for; leave it out", field="jobs")]
        )
    if executor == "inline":
        raise SpecError([Problem("executor 'inline' makes one run at a time; use 'local', or 1 job", field="jobs")])


def hardware_resolver(executor: ExecutorName) -> Callable[[HardwareSpec], HardwareSpec]:
    """Return the function that makes a spec's device explicit where the runs are made."""
    if executor != "ray":
        return resolve_hardware
    from benchsuite.execution.ray_executor import resolve_for_cluster

    return resolve_for_cluster


def make_executor(name: ExecutorName, ranks: Ranks, jobs: int = 1) -> Executor | None:
    """Return the executor that makes the runs elsewhere; None if they are made on this machine.

    Raises:
        HardwareError: if torchrun has started several processes, which share each run, and several runs are wanted at
            the same time.

    """
    if ranks.world_size > 1 and jobs > 1:
        raise HardwareError(
            "torchrun (splits one run) and --jobs (makes several runs) cannot be combined; leave one out"
        )
    if name != "ray":
        return None
    if ranks.world_size > 1:
        raise HardwareError(
            "torchrun (splits one run) and --executor ray (makes many runs) cannot be combined; leave one out"
        )
    from benchsuite.execution.ray_executor import RayExecutor

    return RayExecutor()
