"""Choose where runs are made: in workers, in this process, or on a cluster of Ray or SLURM."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Literal, cast, get_args

from benchsuite.api.options import require_a_job
from benchsuite.errors import HardwareError, Problem, SpecError, nearest
from benchsuite.execution.executor import Executor
from benchsuite.execution.slurm.options import SlurmOptions, parse_slurm_options
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.training.device import resolve_hardware
from benchsuite.training.ranks import Ranks

ExecutorName = Literal["local", "inline", "ray", "slurm"]
"""``local``: here, each in a process of its own, one or several at the same time. ``inline``: in this process, for
debuggers. ``ray``: on a Ray cluster, many at once. ``slurm``: as jobs of a SLURM cluster."""

SlurmSettings = Mapping[str, object] | Iterable[str] | None
"""Options of SLURM jobs: ``{"partition": "gpu"}``, or texts as the command takes them, ``["partition=gpu"]``."""


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
    if executor == "slurm":
        raise SpecError([Problem("SLURM's jobs at the same time are limited by --slurm parallel=N", field="jobs")])
    if executor == "inline":
        raise SpecError([Problem("executor 'inline' makes one run at a time; use 'local', or 1 job", field="jobs")])


def slurm_options(given: SlurmSettings, executor: ExecutorName) -> SlurmOptions:
    """Return the options of SLURM jobs.

    Raises:
        SpecError: if one is wrong, or the executor is another.

    """
    options = parse_slurm_options(given)
    if given and executor != "slurm":
        raise SpecError([Problem(f"options for --executor slurm, but the executor is '{executor}'", field="slurm")])
    return options


def hardware_resolver(
    executor: ExecutorName, slurm: SlurmOptions | None = None
) -> Callable[[HardwareSpec], HardwareSpec]:
    """Return the function that makes a spec's device explicit where the runs are made."""
    if executor == "slurm":
        return partial(_resolve_for_slurm, asks_for_gpus=slurm is not None and slurm.ask_for_gpus)
    if executor != "ray":
        return resolve_hardware
    from benchsuite.execution.ray_executor import resolve_for_cluster

    return resolve_for_cluster


def _resolve_for_slurm(hardware: HardwareSpec, asks_for_gpus: bool) -> HardwareSpec:
    """Return a spec whose device is explicit: this machine's devices are not those of the jobs."""
    if hardware.device != "auto":
        return hardware
    return hardware.model_copy(update={"device": "cuda" if asks_for_gpus else "cpu"})


def make_executor(
    name: ExecutorName, ranks: Ranks, jobs: int = 1, slurm: SlurmOptions | None = None
) -> Executor | None:
    """Return the executor that makes the runs elsewhere; None if they are made on this machine.

    Raises:
        HardwareError: if torchrun has started several processes, which share each run, and several runs are wanted at
            the same time.

    """
    if ranks.world_size > 1 and jobs > 1:
        raise HardwareError(
            "torchrun (splits one run) and --jobs (makes several runs) cannot be combined; leave one out"
        )
    if name not in ("ray", "slurm"):
        return None
    if ranks.world_size > 1:
        raise HardwareError(
            f"torchrun (splits one run) and --executor {name} (makes many runs) cannot be combined; leave one out"
        )
    if name == "slurm":
        from benchsuite.execution.slurm.executor import SlurmExecutor
        from benchsuite.execution.slurm.queue import SlurmQueue

        return SlurmExecutor(SlurmQueue(slurm or SlurmOptions()))
    from benchsuite.execution.ray_executor import RayExecutor

    return RayExecutor()
