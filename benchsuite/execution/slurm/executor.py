"""Executor that makes runs as jobs of a SLURM cluster, one array per command.

The cluster's machines must see the store. A run writes its record and its checkpoints there, so that a job that was
preempted, or whose machine was lost, continues.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchsuite.errors import HardwareError
from benchsuite.execution.cluster_runs import Cluster, make_on_cluster
from benchsuite.execution.executor import LostRunHandler, RunContext, SendEvent
from benchsuite.execution.reservations import resources_for
from benchsuite.execution.slurm.jobs import SessionJobs
from benchsuite.records.model import RunRecord
from benchsuite.specs.loading.resolve import SelectedRun

if TYPE_CHECKING:
    from benchsuite.execution.slurm.queue import Job, JobQueue

POLL_S = 1.0


class SlurmExecutor:
    """Executor whose runs are jobs of a SLURM cluster; see ``Executor``.

    Args:
        queue: where to submit.
        poll_s: time between two looks at the jobs.

    """

    def __init__(self, queue: JobQueue, poll_s: float = POLL_S) -> None:
        self.queue = queue
        self.poll_s = poll_s

    def check(self, runs: Sequence[SelectedRun], context: RunContext) -> None:
        """Check that each run's hardware can be asked of SLURM.

        Raises:
            HardwareError: if not.

        """
        for run in runs:
            hardware = run.spec.hardware
            resources_for(run.spec, "SLURM")
            if hardware.device == "cuda" and hardware.device_share < 1:
                raise HardwareError(
                    f"hardware '{hardware.name}' wants a part of a GPU (device_share {hardware.device_share:g}), but "
                    "SLURM gives whole ones; use other hardware, or --executor ray"
                )

    def make(
        self, runs: Sequence[SelectedRun], context: RunContext, emit: SendEvent, lost: LostRunHandler
    ) -> Iterator[RunRecord]:
        """Yield records as runs end; a run whose job is lost is submitted once more."""
        if not runs:
            return
        folder = context.store / "slurm" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        jobs = SessionJobs(self.queue, self.poll_s, context, folder)
        cluster: Cluster[Job] = Cluster(
            submit=jobs.submit,
            wait=jobs.wait,
            outcome_of=jobs.outcome_of,
            forward_events=lambda: jobs.forward_events(emit),
            cancel=self.queue.cancel,
            poll_s=self.poll_s,
            is_held=jobs.is_held,
        )
        yield from make_on_cluster(cluster, runs, context, lost)
        jobs.tidy()
