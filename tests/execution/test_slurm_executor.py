"""Oracle: the same runs made in this process. Jobs of submitit's local executor, in processes of their own, stand in
for SLURM's."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")

import submitit

from benchsuite.errors import HardwareError
from benchsuite.execution.cluster_runs import Attempt
from benchsuite.execution.executor import RunContext
from benchsuite.execution.reservations import Resources
from benchsuite.execution.run import Run
from benchsuite.execution.slurm import task as task_module
from benchsuite.execution.slurm.event_file import EventFile, append_event
from benchsuite.execution.slurm.executor import SlurmExecutor
from benchsuite.execution.slurm.jobs import SessionJobs
from benchsuite.execution.slurm.task import SlurmTask
from benchsuite.execution.workers.messages import Outcome
from benchsuite.records.running import RunningMarker, marked_running
from benchsuite.records.store import RecordStore
from benchsuite.specs.hashing import run_id
from benchsuite.specs.loading.resolve import SelectedRun

from ..small_runs import MakeSpec
from .slurm_stand_ins import EndedQueue, ended, task_of
from .watching import Watch, numbers, session_of

PATIENCE_S = 240.0
ONE = {"hardware": {"name": "one", "device": "cpu", "threads": 1}}


# --- the task, in this process ---


@pytest.fixture
def requeued(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Stand in for submitit's handler, which requeues the job and ends the process."""
    calls: list[int] = []

    def handler(number: int, _frame: object) -> None:
        calls.append(number)
        raise SystemExit(-1)

    before = signal.signal(signal.SIGUSR2, handler)
    yield calls
    signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize(
    ("signals", "requeues"), [([signal.SIGTERM], 0), ([signal.SIGTERM, signal.SIGUSR2], 1), ([signal.SIGUSR2], 1)]
)
def test_a_job_that_must_stop_writes_its_record_and_requeues_if_it_was_preempted(
    make_spec: MakeSpec,
    store: RecordStore,
    requeued: list[int],
    monkeypatch: pytest.MonkeyPatch,
    signals: list[signal.Signals],
    requeues: int,
) -> None:
    """Catches a signal that ends the process before the record, and a cancelled job that comes back."""

    def stopping(path: Path, event: str, arguments: dict[str, object]) -> None:
        if event == "benchsuite_epoch_finished":
            # Together: the first must not keep the second from coming. To this thread: another does not block them.
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            for number in signals:
                signal.pthread_kill(threading.get_ident(), number)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

    monkeypatch.setattr(task_module, "append_event", stopping)
    with pytest.raises(SystemExit):
        task_of(make_spec(), store)()
    record = store.find(run_id(make_spec()))
    assert record is not None
    assert (record.status, len(record.epochs)) == ("interrupted", 1)
    assert len(requeued) == requeues


def test_a_restarted_job_of_a_fresh_command_continues(
    make_spec: MakeSpec, store: RecordStore, requeued: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a job that SLURM itself has requeued and that throws away what the run had saved."""
    done = task_of(make_spec(), store)()
    assert done.record is not None
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert task_of(make_spec(), store, fresh=True)().record == done.record
    assert task_of(make_spec(), store, fresh=True).checkpoint().function.context.fresh is False
    monkeypatch.delenv("SLURM_RESTART_COUNT")
    again = task_of(make_spec(), store, fresh=True)().record
    assert again is not None
    assert again != done.record


def test_events_are_read_once_and_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    """Catches an event that is told twice, and a killed job after which nothing is read any more."""
    file = EventFile(tmp_path / "events")
    assert list(file.new_events()) == []
    append_event(file.path, "one", {"n": 1})
    assert list(file.new_events()) == [("one", {"n": 1})]
    with file.path.open("ab") as stream:
        stream.write(b"gAAA")
    assert list(file.new_events()) == []
    append_event(file.path, "two", {})
    assert list(file.new_events()) == [("two", {})]


# --- ends of jobs, without processes ---


@pytest.mark.parametrize(
    ("ends", "status", "reason"),
    [
        ([ended("OUT_OF_MEMORY")], "out_of_memory", "because memory ran out"),
        ([ended("CANCELLED by 7")], "interrupted", "SLURM ended job 7_0 (CANCELLED by 7)"),
        ([ended("NODE_FAIL"), ended("FAILED", log="a library said why")], "crashed", "lost 2 times (FAILED)"),
    ],
)
def test_a_run_whose_job_left_no_record_gets_one_with_the_reason(
    make_spec: MakeSpec, store: RecordStore, ends: list[Any], status: str, reason: str, caplog: Any
) -> None:
    """Catches a run that vanishes with its job, and a log that nobody is told of."""
    queue = EndedQueue(*ends)
    (record,) = session_of([make_spec()], store, Watch(), SlurmExecutor(queue, poll_s=0.0)).execute().records
    assert record.status == status
    assert reason in record.reason
    assert store.find(record.run_id) == record
    if status == "crashed":
        assert "a library said why" in (record.traceback or "")
        assert queue.folder is not None
        assert str(queue.folder / "7_1.log") in caplog.text
        assert {path.name for path in queue.folder.iterdir()} == {"7_0.log", "7_1.log"}


def test_jobs_that_never_come_to_their_run_end_the_command_and_leave_no_record(
    make_spec: MakeSpec, store: RecordStore
) -> None:
    """Catches a store full of crashed runs, because the cluster's machines do not have this Python."""
    ends = [ended("FAILED", log="srun: warning\nsrun: error: python: No such file") for _ in range(2)]
    executor = SlurmExecutor(EndedQueue(*ends, begin=False), poll_s=0.0)
    with pytest.raises(HardwareError, match=r"before its run began \(FAILED\): srun: error: .* its log is .*7_1\.log$"):
        session_of([make_spec()], store, Watch(), executor).execute()
    assert store.find(run_id(make_spec())) is None


def test_a_command_submits_one_array_and_leaves_nothing_of_jobs_that_went_well(
    make_spec: MakeSpec, make_run: Callable[..., Run], store: RecordStore
) -> None:
    """Catches a job array per run, and a store that fills with files of jobs."""
    specs = [make_spec(seed=seed) for seed in (0, 1)]
    records = [make_run(spec).execute() for spec in specs]
    queue = EndedQueue(*(ended("COMPLETED", Outcome("made", record)) for record in records))
    found = session_of(specs, store, Watch(), SlurmExecutor(queue, poll_s=0.0), fresh=True).execute()
    assert found.records == records
    assert queue.sizes == [2]
    assert queue.folder is not None
    assert not queue.folder.exists()


def test_a_run_that_another_command_makes_is_left_to_it_and_not_made_anew(
    make_spec: MakeSpec, store: RecordStore, tmp_path: Path
) -> None:
    """Catches a job that waits on a machine for another one, and a second attempt that begins afresh once more."""
    queue = EndedQueue(ended("COMPLETED", Outcome("elsewhere")), ended("COMPLETED", Outcome("elsewhere")))
    jobs = SessionJobs(queue, 0.0, RunContext(store.root, store.root, fresh=True), tmp_path / "jobs")
    first = Attempt(SelectedRun(make_spec(), ""))
    (job,) = jobs.submit([first])
    following = jobs.outcome_of(job, first)
    assert isinstance(following, Attempt)
    with marked_running(store.running_folder, run_id(make_spec())):
        assert jobs.is_held(following)
    assert not jobs.is_held(following)
    jobs.submit([following])
    assert [task.context.fresh for task in queue.tasks] == [True, False]


def test_what_a_job_met_before_its_run_is_the_commands_error(make_spec: MakeSpec, store: RecordStore) -> None:
    queue = EndedQueue(ended("COMPLETED", Outcome("failed", error=HardwareError("no CUDA device here"))))
    with pytest.raises(HardwareError, match="no CUDA device here"):
        session_of([make_spec()], store, Watch(), SlurmExecutor(queue, poll_s=0.0)).execute()


# --- jobs in processes of their own; last, because they take seconds ---

SAVES_EVERY_EPOCH = """
import sys
from benchsuite.execution import checkpointing
from submitit.core.submission import process_job
checkpointing.CHECKPOINT_EVERY_S = 0.0
process_job(sys.argv[-1])
"""


class LocalQueue:
    """Queue of submitit's local executor, whose jobs are processes of this machine; their runs save every epoch."""

    result_delay_s = 0.0

    def submit(self, tasks: Sequence[SlurmTask], need: Resources, folder: Path) -> list[Any]:
        program = folder / "saves_every_epoch.py"
        program.write_text(SAVES_EVERY_EPOCH)
        executor = submitit.LocalExecutor(folder, python=f"{sys.executable} {program}")
        executor.update_parameters(timeout_min=PATIENCE_S / 60, stderr_to_stdout=True)
        return executor.submit_array(tasks)

    def cancel(self, jobs: Sequence[Any]) -> None:
        for job in jobs:  # as scancel does; submitit's own way kills after a second
            job._process.send_signal(signal.SIGTERM)


@pytest.mark.cluster
def test_a_job_makes_the_run_of_this_process_and_continues_after_a_preemption(
    make_spec: MakeSpec, store: RecordStore, tmp_path: Path
) -> None:
    """Catches other seeds or settings in a job, a preempted job that is dropped or begins anew, and one that Ctrl-C
    leaves at work."""
    spec = make_spec(protocol={"epochs": 100_000}, seed=1, **ONE)
    (expected,) = (
        session_of([make_spec(seed=1, **ONE)], RecordStore(tmp_path / "other"), Watch(), None).execute().records
    )
    signals: list[int] = []
    deadline = time.monotonic() + PATIENCE_S

    def preempt_then_interrupt(watch: Watch) -> None:
        if not signals and len(watch.epochs) >= 3:
            signals.append(signal.SIGUSR2)
            marker = store.running_folder / f"{run_id(spec)}.json"
            # As SLURM does some time before it takes the machine away.
            os.kill(RunningMarker.model_validate_json(marker.read_bytes()).pid, signal.SIGUSR2)
        has_gone_on = len(watch.started) == 2 and watch.epochs[-1][1] > 4
        if len(signals) == 1 and (time.monotonic() > deadline or has_gone_on):
            signals.append(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    watch = Watch(preempt_then_interrupt)
    result = session_of([spec], store, watch, SlurmExecutor(LocalQueue(), poll_s=0.05)).execute()
    assert result.interrupted
    (found,) = result.records
    assert (found.status, found.resumed) == ("interrupted", 1)
    assert numbers(found)[:4] == numbers(expected)
    first, second = [epoch for _, epoch in watch.started]
    assert first == 0 < second
    assert not list(store.running_folder.iterdir())
