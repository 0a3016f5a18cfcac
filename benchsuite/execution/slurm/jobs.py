"""Jobs of one session: submitted, watched, and turned into records."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.errors import HardwareError
from benchsuite.execution.cluster_runs import Attempt, is_being_made, release_lock
from benchsuite.execution.endings import LostRun
from benchsuite.execution.executor import RunContext, SendEvent
from benchsuite.execution.reservations import Resources, resources_for
from benchsuite.execution.slurm.event_file import EventFile
from benchsuite.execution.slurm.task import SlurmTask
from benchsuite.execution.workers.messages import Outcome
from benchsuite.execution.workers.output import tail_of
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.specs.hashing import run_id

if TYPE_CHECKING:
    from benchsuite.execution.slurm.queue import Job, JobQueue

logger = logging.getLogger("benchsuite.execution")

PREEMPTED_S = 1500.0
"""Time after which a preempted job has not been requeued: its state here is up to ten minutes old."""
RETRIES = 1
"""Number of times that a run is submitted again after its job was lost; SLURM itself requeues jobs of lost machines."""
STOPPED_STATES = ("CANCELLED", "TIMEOUT", "DEADLINE", "REVOKED")
"""Beginnings of states of jobs that a person or the system has ended, not the run."""


class SessionJobs:
    """Jobs of one session.

    Attributes:
        folder: their tasks, results, events and logs.

    """

    def __init__(self, queue: JobQueue, poll_s: float, context: RunContext, folder: Path) -> None:
        self.folder = folder
        self._queue = queue
        self._poll_s = poll_s
        self._context = context
        self._store = RecordStore(context.store)
        self._submitted: dict[Job, datetime] = {}
        self._gone_since: dict[Job, float] = {}
        self._event_files: list[EventFile] = []
        self._events_of: dict[Job, EventFile] = {}
        self._kept_logs: set[Path] = set()

    def submit(self, attempts: Sequence[Attempt]) -> dict[Job, Attempt]:
        """Submit attempts as one array, or as one per kind of resources."""
        self.folder.mkdir(parents=True, exist_ok=True)
        groups: dict[Resources, list[Attempt]] = {}
        for attempt in attempts:
            groups.setdefault(resources_for(attempt.selected.spec, "SLURM"), []).append(attempt)
        found: dict[Job, Attempt] = {}
        began = datetime.now(UTC)
        try:
            for need, members in groups.items():
                events = [self._new_events() for _ in members]
                tasks = [self._task_of(attempt, file) for attempt, file in zip(members, events, strict=True)]
                jobs = self._queue.submit(tasks, need, self.folder)
                found |= dict(zip(jobs, members, strict=True))
                self._events_of |= dict(zip(jobs, events, strict=True))
        except HardwareError:
            self._queue.cancel(list(found))
            raise
        self._submitted |= dict.fromkeys(found, began)
        logger.info("submitted %d jobs; their logs are in %s", len(found), self.folder)
        return found

    def _new_events(self) -> EventFile:
        self._event_files.append(EventFile(self.folder / f"{len(self._event_files)}.events"))
        return self._event_files[-1]

    def _task_of(self, attempt: Attempt, events: EventFile) -> SlurmTask:
        return SlurmTask(attempt.selected, attempt.context_in(self._context), events.path)

    def is_held(self, attempt: Attempt) -> bool:
        """Return True while another process is making a run: no job should wait for it."""
        return not attempt.is_first and is_being_made(attempt, self._context)

    def forward_events(self, emit: SendEvent) -> None:
        """Send the events that jobs have written since the last call."""
        for file in self._event_files:
            for event, arguments in file.new_events():
                emit(event, **arguments)

    def wait(self, jobs: Sequence[Job]) -> list[Job]:
        """Wait for a moment, and return the jobs that have ended."""
        time.sleep(self._poll_s)
        return [job for job in jobs if self._has_ended(job)]

    def _has_ended(self, job: Job) -> bool:
        if job.paths.result_pickle.exists():
            return True
        is_preempted = job.state.upper().startswith("PREEMPTED")
        if not is_preempted and not job.done():
            self._gone_since.pop(job, None)
            return False
        since = self._gone_since.setdefault(job, time.monotonic())
        return time.monotonic() - since >= (PREEMPTED_S if is_preempted else self._queue.result_delay_s)

    def outcome_of(self, job: Job, attempt: Attempt) -> RunRecord | Attempt | LostRun:
        """Return the record of a job that has ended, the next attempt, or the reason why there is none.

        Raises:
            BenchsuiteError: what the job has met before its run could begin, such as missing data.
            HardwareError: if jobs end before they come to their run, as without this Python on the cluster's machines.

        """
        answer = _answer_of(job)
        if isinstance(answer, Outcome):
            if answer.error is not None:
                raise answer.error
            if answer.record is None:
                # Another command is making the run: the next attempt finds its record or makes the run.
                return replace(attempt, not_before=time.monotonic() + self._poll_s)
            self._name_log(job, answer.record)
            return answer.record
        release_lock(attempt, self._context)
        return self._outcome_of_lost(job, attempt, answer or tail_of(job.paths.stdout))

    def _outcome_of_lost(self, job: Job, attempt: Attempt, output: str) -> RunRecord | Attempt | LostRun:
        """Return what becomes of a run whose job has ended without a result."""
        state, log = job.state, job.paths.stdout
        self._kept_logs.add(log)
        if state.startswith("OUT_OF_ME"):
            return LostRun(f"SLURM ended job {job.job_id} because memory ran out", "out_of_memory", output=output)
        left = self._store.find(run_id(attempt.selected.spec))
        if left is not None and left.ended_at >= self._submitted[job]:
            return left  # written when the job was stopped
        if state.startswith(STOPPED_STATES):
            return LostRun(f"SLURM ended job {job.job_id} ({state})", "interrupted", output=output)
        if attempt.number >= RETRIES and not self._events_of[job].path.exists():
            # No record: what is wrong is the cluster's, and would be the same for all other runs.
            last = output.rpartition("\n")[2] or "nothing was written"
            raise HardwareError(f"job {job.job_id} ended before its run began ({state}): {last}; its log is {log}")
        if attempt.number >= RETRIES:
            logger.warning("job %s was lost (%s); its log is %s", job.job_id, state, log)
            return LostRun(f"its job was lost {attempt.number + 1} times ({state})", output=output)
        logger.warning("job %s was lost (%s); its run continues in another; its log is %s", job.job_id, state, log)
        return replace(attempt, number=attempt.number + 1)

    def _name_log(self, job: Job, record: RunRecord) -> None:
        if record.status not in ("crashed", "out_of_memory"):
            return
        self._kept_logs.add(job.paths.stdout)
        logger.warning("%s %s; the log of job %s is %s", record.run_id, record.status, job.job_id, job.paths.stdout)

    def tidy(self) -> None:
        """Delete the files of jobs that have all ended, except the logs of those that failed."""
        if not self._kept_logs:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for path in self.folder.iterdir():
            if path not in self._kept_logs:
                path.unlink(missing_ok=True)


def _answer_of(job: Job) -> Outcome | str | None:
    """Return what a job's task has returned, the traceback of an error of ours, or None if the job was lost."""
    if not job.paths.result_pickle.exists():
        return None
    error = job.exception()
    if error is not None:
        return str(error)
    outcome: Outcome = job.result()
    return outcome
