"""Oracle: the same run made by one process. Two with half of each batch must come to the same numbers."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchsuite.errors import HardwareError, ProcessLostError
from benchsuite.records.model import RunRecord
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks, require_world_size
from benchsuite.training.seeds import derive_seeds, generator

from ..small_runs import MakeRun
from ..warm import FORKS, Process, WarmPython
from .ranks_run_worker import STREAMED
from .ranks_worker import CASES, spec_of, train

Torchrun = Callable[..., subprocess.CompletedProcess[str]]
WORKER = Path(__file__).with_name("ranks_worker.py")
COLD_TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
"""As users start it; each of the two processes that it starts takes seconds to import torch."""
TORCHRUN = (str(WORKER.with_name("warm_torchrun.py")),) if FORKS else COLD_TORCHRUN


def wait_for(
    process: Process, meanwhile: Callable[[Process], None] = lambda process: None
) -> subprocess.CompletedProcess[str]:
    """Wait for torchrun, minutes at most.

    Args:
        process: torchrun.
        meanwhile: what is done to it while its processes are at work.

    """
    try:
        meanwhile(process)
        out, err = process.communicate(timeout=300)
    finally:
        if process.poll() is None:
            # Which ends the processes that it started; killed, it would leave them to themselves.
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode is not None
    return subprocess.CompletedProcess((), process.returncode, out, err)


@pytest.fixture(scope="session")
def torchrun(warm_python: WarmPython) -> Torchrun:
    """Return a function that runs a script or module in two processes, started by torchrun's agent without imports."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return wait_for(warm_python.start(*TORCHRUN, *arguments), **options)

    return run


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory, torchrun: Torchrun) -> Path:
    """Return the folder of two processes' results: runs in ``whole`` and ``streamed``, cases in a file each."""
    folder = tmp_path_factory.mktemp("ranks")
    done = torchrun(str(WORKER), str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def together(by_two: Path) -> list[dict[str, Any]]:
    """Return what each of two processes came to, case by case."""
    return [torch.load(by_two / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_with_half_of_each_batch_equal_one_with_all(together: list[dict[str, Any]], case: str) -> None:
    """Catches a gradient that is not averaged, is averaged twice, or is weighted as if all parts had one size."""
    torch.testing.assert_close(together[0][case], train(case), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_weights_and_feedback_weights_are_the_same_in_all_processes(together: list[dict[str, Any]], case: str) -> None:
    """To the bit, without being copied: what differs between processes once, drifts apart."""
    for part in ("network", "feedback"):
        for name, value in together[0][case][part].items():
            assert torch.equal(value, together[1][case][part][name]), name


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_sent_while_autograd_is_at_others(together: list[dict[str, Any]], case: str) -> None:
    """Of rules that leave what autograd leaves; where a rule masks gradients afterwards, in the first step only."""
    sent = together[0][f"{case}: sent during backward"]
    assert sent == together[1][f"{case}: sent during backward"]
    steps = 3 * 3
    if case.startswith(("backprop", "feedback alignment", "kolen-pollack", "sign-symmetry", "weight mirror")):
        assert sent >= 2 * steps
    if case == "sparse random feedback":
        assert 0 < sent < steps


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("examples", [5, 6, 64])
def test_parts_cover_a_batch_once(size: int, examples: int) -> None:
    taken = [i for rank in range(size) for i in range(examples)[Ranks(rank, size).local_slice(examples)]]
    assert taken == list(range(examples))


def test_processes_drop_other_units() -> None:
    """The first one's dropout is that of a process alone."""
    seeds = derive_seeds(0)
    drawn = [torch.rand(4, generator=generator(seeds, "dropout", rank=rank)).tolist() for rank in range(3)]
    assert drawn[0] == torch.rand(4, generator=generator(seeds, "dropout")).tolist()
    assert len({tuple(values) for values in drawn}) == 3


def test_a_batch_with_fewer_examples_than_processes_is_refused() -> None:
    spec = spec_of("backprop")  # 161 examples in batches of 64: the last has 33
    of_40 = spec.model_copy(update={"hardware": spec.hardware.model_copy(update={"world_size": 40})})
    with pytest.raises(HardwareError, match="a batch of 33 cannot be split over 40 processes"):
        require_world_size(of_40, Ranks(0, 40), 161)
    require_world_size(spec, SINGLE_PROCESS, 161)


def test_a_run_for_several_processes_is_not_made_by_one() -> None:
    spec = spec_of("backprop")
    of_two = spec.model_copy(update={"hardware": spec.hardware.model_copy(update={"world_size": 2})})
    with pytest.raises(HardwareError, match="torchrun --nproc-per-node 2 -m benchsuite run"):
        require_world_size(of_two, SINGLE_PROCESS, 161)


RUN = ("-m", "benchsuite", "run", "digits-conv", "--tier", "smoke", "--seed", "0", "--hardware", "cpu")


@pytest.fixture(scope="module")
def made_by_two(
    tmp_path_factory: pytest.TempPathFactory, torchrun: Torchrun
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Return how two processes ended that ran the command, and their store."""
    store = tmp_path_factory.mktemp("two") / "store"
    rules = ("--rules", "backprop,kolen_pollack")
    return torchrun(*RUN, *rules, "--store", str(store), "--tracking-uri", "none"), store


@pytest.mark.cluster
def test_torchrun_starts_the_command_as_users_start_it(tmp_path: Path, warm_python: WarmPython) -> None:
    """Catches a command that ends before torchrun's processes have, or that only a forked process can run."""
    store = tmp_path / "store"
    command = (*COLD_TORCHRUN, *RUN, "--rules", "backprop", "--store", str(store), "--tracking-uri", "none")
    done = wait_for(warm_python.start(*command))
    assert done.returncode == 0, done.stderr
    assert only_record(store)["command"].startswith("torchrun --nproc-per-node=2 -m benchsuite run digits-conv")


def test_the_command_makes_one_record_a_run_however_many_made_it(
    made_by_two: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, store = made_by_two
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in (store / "records").rglob("*.json")]
    assert {r["spec"]["rule"]["name"] for r in records} == {"backprop", "kolen_pollack"}
    assert len(records) == 2
    for record in records:
        assert record["status"] == "completed"
        assert record["spec"]["hardware"]["world_size"] == record["hardware"]["world_size"] == 2
        assert record["command"].startswith("torchrun --nproc-per-node=2 -m benchsuite run digits-conv")
        assert any("2 processes" in note for note in record["hardware"]["notes"])
    assert done.stdout.count("leaderboard page") == 1


def test_several_processes_find_a_finished_run_again(
    made_by_two: tuple[subprocess.CompletedProcess[str], Path], torchrun: Torchrun
) -> None:
    done, store = made_by_two
    assert done.returncode == 0, done.stderr
    before = {path: path.stat().st_mtime_ns for path in (store / "records").rglob("*.json")}
    again = torchrun(*RUN, "--rules", "backprop", "--store", str(store), "--tracking-uri", "none")
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in (store / "records").rglob("*.json")} == before


RUN_WORKER = WORKER.with_name("ranks_run_worker.py")
COMMAND = WORKER.with_name("ranks_command.py")


def only_record(store: Path) -> dict[str, Any]:
    """Return the one record of a store."""
    (path,) = (store / "records").rglob("*.json")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def test_processes_that_were_killed_go_on_where_they_were(by_two: Path, tmp_path: Path, torchrun: Torchrun) -> None:
    """Each has a stream of dropout of its own, and all of them have to come back."""
    assert torchrun(str(RUN_WORKER), str(tmp_path / "killed"), "killed").returncode != 0
    assert not list((tmp_path / "killed" / "records").rglob("*.json"))
    resumed = torchrun(str(RUN_WORKER), str(tmp_path / "killed"), "whole")
    assert resumed.returncode == 0, resumed.stderr
    records = [only_record(folder) for folder in (by_two / "whole", tmp_path / "killed")]
    assert [record["resumed"] for record in records] == [0, 1]
    for record in records:
        for epoch in record["epochs"]:
            del epoch["train_time_s"], epoch["images_per_s"]
    assert records[0]["epochs"] == records[1]["epochs"]
    assert records[0]["status"] == records[1]["status"] == "completed"


def test_two_processes_with_half_of_each_batch_of_files_equal_one_with_all(by_two: Path, make_run: MakeRun) -> None:
    """Catches views drawn by place in a process's part, and images that both or neither of them takes."""
    two = RunRecord.model_validate(only_record(by_two / "streamed"))
    alone = {**STREAMED["hardware"], "world_size": 1}
    one = make_run(RunSpec.model_validate({**STREAMED, "hardware": alone})).execute()
    assert one.status == two.status == "completed"
    assert len(one.epochs) == len(two.epochs) == 2
    for ours, theirs in zip(one.epochs, two.epochs, strict=True):
        assert ours.test is not None
        assert theirs.test is not None
        assert theirs.test.examples == ours.test.examples == 28
        assert theirs.running_loss == pytest.approx(ours.running_loss, rel=1e-5)
        assert theirs.test.loss == pytest.approx(ours.test.loss, rel=1e-5)


def test_a_lost_process_ends_the_run_with_a_record(tmp_path: Path, torchrun: Torchrun) -> None:
    """Catches processes that wait for one that is gone until somebody notices."""
    lost = torchrun(str(RUN_WORKER), str(tmp_path), "lost")
    assert lost.returncode != 0
    assert "process 1: RuntimeError: the cable came out" in lost.stderr
    record = only_record(tmp_path)
    assert record["status"] in {"crashed", "interrupted"}
    assert len(record["epochs"]) == 2


def test_processes_that_are_told_to_stop_leave_a_record_of_an_interruption(tmp_path: Path, torchrun: Torchrun) -> None:
    """Catches one that waits for another, which has stopped a step before it and waits for this one."""
    store = tmp_path / "store"

    def stop_when_saved(process: Process) -> None:
        deadline = time.monotonic() + 240
        while not any((store / "checkpoints").glob("*.pt")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.terminate()

    settings = ("--set", "protocol.epochs=100000", "--set", "protocol.stop_at_zero_train_error=false")
    where = ("--rules", "backprop", "--store", str(store), "--tracking-uri", "none")
    stopped = torchrun(str(COMMAND), *RUN[2:], *where, *settings, meanwhile=stop_when_saved)
    assert stopped.returncode != 0
    record = only_record(store)
    assert (record["status"], record["hardware"]["world_size"]) == ("interrupted", 2)
    assert record["epochs"]
    assert not list((store / "running").iterdir())


def test_a_rank_that_lost_another_says_so_and_to_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a killed rank, before or between runs, that the others report as a bug of the suite."""

    def closed(*arguments: object, **options: object) -> None:
        raise RuntimeError("Connection reset by peer")

    monkeypatch.setattr("torch.distributed.broadcast_object_list", closed)
    monkeypatch.setattr("torch.distributed.all_gather_object", closed)
    ranks = Ranks(rank=1, world_size=2, local_rank=1)
    for ask in (ranks.broadcast_object, ranks.all_gather):
        with pytest.raises(ProcessLostError, match=r"process 1: another process was lost .*run again"):
            ask(torch.zeros(()))
