"""Queue of a SLURM cluster: submit tasks as job arrays, and cancel them."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchsuite.errors import HardwareError
from benchsuite.execution.endings import first_line
from benchsuite.execution.reservations import Resources
from benchsuite.execution.slurm.options import LARGEST_ARRAY, SlurmOptions
from benchsuite.execution.slurm.task import SlurmTask

if TYPE_CHECKING:
    import submitit

    Job = submitit.Job[Any]

COMMANDS = ("sbatch", "srun", "sacct", "scancel", "scontrol")
MIB = 2**20
TIME_LIMITS = 50
"""Number of times that a job which has reached its time limit is requeued."""


class JobQueue(Protocol):
    """Queue that an executor submits to."""

    result_delay_s: float
    """Time after a job's end until its result is visible here: file servers tell other machines late."""

    def submit(self, tasks: Sequence[SlurmTask], need: Resources, folder: Path) -> list[Job]:
        """Submit tasks that need the same resources, and return a job for each."""

    def cancel(self, jobs: Sequence[Job]) -> None:
        """Ask jobs to end; those that wait do not begin."""


def require_submitit() -> None:
    """Check that submitit is installed.

    Raises:
        HardwareError: if not.

    """
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise HardwareError(
            "--executor slurm needs submitit, which is not installed: pip install 'benchsuite[slurm]'"
        ) from None


class SlurmQueue:
    """The queue of the cluster that this machine belongs to; see ``JobQueue``.

    Raises:
        HardwareError: if submitit or a command of SLURM is not here.

    """

    result_delay_s = 15.0

    def __init__(self, options: SlurmOptions) -> None:
        require_submitit()
        missing = [command for command in COMMANDS if shutil.which(command) is None]
        if missing:
            raise HardwareError(
                f"--executor slurm needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not on the "
                "PATH: start it on a login node of the cluster, or use another executor"
            )
        self.options = options

    def submit(self, tasks: Sequence[SlurmTask], need: Resources, folder: Path) -> list[Job]:
        """Submit tasks as one array, or as several of SLURM's largest size.

        Raises:
            HardwareError: if sbatch refuses them, with its reason.

        """
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        executor = submitit.SlurmExecutor(folder, max_num_timeout=TIME_LIMITS)
        executor.update_parameters(**self.parameters(need))
        jobs: list[Job] = []
        for start in range(0, len(tasks), LARGEST_ARRAY):
            try:
                jobs += executor.submit_array(tasks[start : start + LARGEST_ARRAY])
            except (FailedJobError, FailedSubmissionError, OSError) as error:
                self.cancel(jobs)
                raise HardwareError(
                    f"sbatch refused the jobs: {first_line(error)}; options of sbatch are given as --slurm key=value"
                ) from error
        return jobs

    def cancel(self, jobs: Sequence[Job]) -> None:
        """Cancel the arrays that jobs belong to."""
        arrays = list(dict.fromkeys(job.job_id.partition("_")[0] for job in jobs))
        if arrays:
            subprocess.run(["scancel", *arrays], check=False)  # noqa: S607 - checked to be on the PATH

    def parameters(self, need: Resources) -> dict[str, Any]:
        """Return submitit's parameters for jobs that need these resources; options of the command take precedence."""
        options = self.options
        found: dict[str, Any] = {
            "job_name": "benchsuite",
            "time": options.minutes,
            "cpus_per_task": need.cores,
            "array_parallelism": options.parallel,
            "stderr_to_stdout": True,
            # Lets SLURM itself, and a job that is to make room, put the job in the queue again.
            "additional_parameters": {"requeue": True, **options.sbatch},
        }
        if need.gpus and not options.ask_for_gpus:
            found["gpus_per_node"] = int(need.gpus)
        if need.memory:
            found["mem"] = f"{math.ceil(need.memory / MIB)}M"
        return found
