"""Oracle: SLURM's manual. Stand-ins for sbatch and scancel show what SLURM is asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")

from benchsuite.api.executors import hardware_resolver, slurm_options
from benchsuite.cli.main import run_command
from benchsuite.errors import HardwareError, SpecError
from benchsuite.execution.executor import RunContext
from benchsuite.execution.reservations import Resources
from benchsuite.execution.slurm.executor import SlurmExecutor
from benchsuite.execution.slurm.options import parse_slurm_options
from benchsuite.execution.slurm.queue import COMMANDS, SlurmQueue
from benchsuite.records.store import RecordStore
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.hardware import HardwareSpec

from ..small_runs import MakeSpec
from .slurm_stand_ins import EndedQueue, task_of


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
