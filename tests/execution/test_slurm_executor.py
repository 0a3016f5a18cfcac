"""Oracle: the same runs made in this process. Jobs of submitit's local executor, in processes of their own, stand in
for SLURM's; stand-ins for sbatch and scancel show what SLURM is asked for."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")

import submitit

from benchsuite.api.executors import hardware_resolver, slurm_options
from benchsuite.cli.main import run_command
from benchsuite.errors import HardwareError, SpecError
from benchsuite.execution.cluster_runs import Attempt
from benchsuite.execution.executor import RunContext
from benchsuite.execution.reservations import Resources
from benchsuite.execution.run import Run
from benchsuite.execution.slurm import task as task_module
from benchsuite.execution.slurm.event_file import EventFile, append_event
from benchsuite.execution.slurm.executor import SlurmExecutor
from benchsuite.execution.slurm.jobs import SessionJobs
from benchsuite.execution.slurm.options import parse_slurm_options
from benchsuite.execution.slurm.queue import COMMANDS, SlurmQueue
from benchsuite.execution.slurm.task import SlurmTask
from benchsuite.execution.workers.messages import Outcome
from benchsuite.records.running import RunningMarker, marked_running
from benchsuite.records.store import RecordStore
from benchsuite.specs.hashing import run_id
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.track import RunSpec

from ..small_runs import MakeSpec
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


def task_of(spec: RunSpec, store: RecordStore, fresh: bool = False) -> SlurmTask:
    context = RunContext(store.root, store.root, fresh)
    return SlurmTask(SelectedRun(spec, "benchsuite run tiny"), context, store.root / "events")


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


class Ended:
    """A job that has ended, in a state and with a result of its task."""

    def __init__(self, folder: Path, state: str, result: Outcome | None = None, log: str = "") -> None:
        self.state, self.job_id, self._result = state, f"7_{len(list(folder.glob('*.log')))}", result
        self.paths = SimpleNamespace(stdout=folder / f"{self.job_id}.log", result_pickle=folder / f"{self.job_id}.pkl")
        self.paths.stdout.write_text(log)
        if result is not None:
            self.paths.result_pickle.touch()

    def done(self) -> bool:
        return True

    def exception(self) -> None:
        """Return no error."""

    def result(self) -> Outcome | None:
        return self._result


class EndedQueue:
    """Queue whose jobs have all ended at once."""

    result_delay_s = 0.0

    def __init__(self, *ends: Callable[[Path], Ended], begin: bool = True) -> None:
        self.ends, self.begin = list(ends), begin
        self.folder: Path | None = None
        self.sizes: list[int] = []
        self.tasks: list[SlurmTask] = []

    def submit(self, tasks: Sequence[SlurmTask], need: Resources, folder: Path) -> list[Any]:
        self.folder = folder
        self.sizes.append(len(tasks))
        self.tasks += tasks
        for task in tasks if self.begin else ():
            task.events.touch()
        return [self.ends.pop(0)(folder) for _ in tasks]

    def cancel(self, jobs: Sequence[Any]) -> None:
        """Nothing is left to cancel."""


def ended(state: str, result: Outcome | None = None, log: str = "") -> Callable[[Path], Ended]:
    return lambda folder: Ended(folder, state, result, log)


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


# --- what SLURM is asked for ---


@pytest.fixture
def slurm_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder on the PATH with stand-ins for SLURM's commands, which note their arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for command in COMMANDS:
        script = folder / command
        script.write_text(f'#!/bin/sh\necho "{command} $@" >> {folder}/calls\necho "Submitted batch job 42"\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_sbatch_is_asked_for_what_the_hardware_and_the_options_say(
    make_spec: MakeSpec, store: RecordStore, slurm_commands: Path, tmp_path: Path
) -> None:
    """Catches an option that does not reach sbatch, or reaches it beside a contradicting one."""
    options = parse_slurm_options(["partition=gpu", "time=1-02:30", "parallel=3", "gpus=a100:1", "exclusive"])
    queue = SlurmQueue(options)
    jobs = queue.submit([task_of(make_spec(seed=seed), store) for seed in (0, 1)], Resources(4, 1, 0), tmp_path / "job")
    assert [job.job_id for job in jobs] == ["42_0", "42_1"]
    script = (tmp_path / "job" / "42_submission.sh").read_text()
    for line in ("partition=gpu", "time=1590", "array=0-1%2", "gpus=a100:1", "cpus-per-task=4", "exclusive", "requeue"):
        assert f"#SBATCH --{line}\n" in script
    assert "gpus-per-node" not in script
    queue.cancel(jobs)
    assert "scancel 42\n" in (slurm_commands / "calls").read_text()
    plain = SlurmQueue(parse_slurm_options(None)).parameters(Resources(2, 1, 3 * 2**30))
    assert (plain["gpus_per_node"], plain["mem"], plain["cpus_per_task"]) == (1, "3072M", 2)


def test_a_refused_submission_is_one_line_with_sbatchs_reason(
    make_spec: MakeSpec, store: RecordStore, slurm_commands: Path, tmp_path: Path
) -> None:
    refusal = "sbatch: error: invalid partition specified: gpuu"
    (slurm_commands / "sbatch").write_text(f"#!/bin/sh\necho '{refusal}' >&2\nexit 1\n")
    with pytest.raises(HardwareError, match=r"^sbatch refused the jobs: sbatch: error: invalid partition .*gpuu; "):
        SlurmQueue(parse_slurm_options(["partition=gpuu"])).submit(
            [task_of(make_spec(), store)], Resources(1, 0, 0), tmp_path / "job"
        )


def test_without_slurm_or_submitit_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HardwareError, match=r"needs sbatch, .*, which are not on the PATH: start it on a login node"):
        SlurmQueue(parse_slurm_options(None))
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(HardwareError, match=r"pip install 'benchsuite\[slurm\]'$"):
        SlurmQueue(parse_slurm_options(None))


def test_wrong_options_are_all_named_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse_slurm_options(["memory=4G", "array=0-9", "time=soon", "parallel=0", "a b"])
    text = str(caught.value)
    for part in (
        "did you mean 'mem=4G'",
        "--array is set by",
        "'time=soon': expected",
        "'parallel=0'",
        "'a b'",
    ):
        assert part in text
    with pytest.raises(SpecError, match="the executor is 'local'"):
        slurm_options(["partition=gpu"], "local")
    assert parse_slurm_options({"time": "2:30:00"}).minutes == 150
    assert parse_slurm_options({"time": 90}).minutes == 90


def test_hardware_that_slurm_cannot_give_is_refused_and_auto_follows_the_options(
    make_spec: MakeSpec, store: RecordStore
) -> None:
    """Catches jobs on GPU machines that train on the CPU, because the login node has no GPU."""
    executor = SlurmExecutor(EndedQueue())
    context = RunContext(store.root, store.root, fresh=False)
    for changes, message in (
        ({"device": "cuda", "device_share": 0.5}, "SLURM gives whole ones"),
        ({"device": "cuda:1"}, "SLURM chooses devices: say cuda without a number"),
        ({"device": "cuda", "world_size": 2}, "leave out --executor slurm"),
    ):
        with pytest.raises(HardwareError, match=message):
            executor.check([SelectedRun(make_spec(hardware={"name": "odd", **changes}), "")], context)
    auto = HardwareSpec(name="auto", device="auto")
    assert hardware_resolver("slurm", parse_slurm_options(["gres=gpu:1"]))(auto).device == "cuda"
    assert hardware_resolver("slurm", parse_slurm_options(["partition=cpu"]))(auto).device == "cpu"


def test_the_command_without_slurm_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catches an option that does not reach the executor, and a traceback in its place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["run", "digits-fc", "--tier", "smoke", "--rules", "backprop", "--seeds", "1", "--tracking-uri", "none"]
    assert run_command([*words, "--executor", "slurm", "--slurm", "partition=gpu"]) == 2
    said = capfd.readouterr().err
    assert "needs sbatch" in said
    assert "Traceback" not in said


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
