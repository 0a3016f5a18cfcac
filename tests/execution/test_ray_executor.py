"""Oracle: the same runs made in this process. A cluster of two machines, one of which is lost, comes to the same."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchsuite.errors import HardwareError
from benchsuite.execution import ray_worker
from benchsuite.execution.endings import LostRun
from benchsuite.execution.executor import RunContext
from benchsuite.execution.finishing import finish
from benchsuite.execution.run import Run
from benchsuite.execution.session import SessionResult
from benchsuite.records.model import RunRecord
from benchsuite.records.running import marked_running
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.registry.markers import hookimpl
from benchsuite.specs.hashing import run_id
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.resolve import SelectedRun, Selection, resolve
from benchsuite.specs.models.hardware import HardwareSpec

# A loaded machine takes longer to start a node than the half minute Ray waits; read when Ray is imported.
os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
# Ray's workers otherwise yield to everything else: on a loaded machine a task took eight minutes to begin.
os.environ.setdefault("RAY_worker_niceness", "0")
# As the executor sets it: `uv run pytest` would have Ray make an environment for each of its workers.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")

from ray.cluster_utils import Cluster  # noqa: E402

from benchsuite.execution.cluster_runs import Attempt  # noqa: E402
from benchsuite.execution.ray_executor import POLL_S, RayExecutor, resolve_for_cluster  # noqa: E402

from ..small_runs import MakeSpec  # noqa: E402
from .watching import Watch, numbers, session_of  # noqa: E402

ENDLESS = {"epochs": 100_000}
"""Until a test has seen what it waits for: a run that the clock ends may end before, on a machine that is slow."""
PATIENCE_S = 240.0
"""After this a test gives up waiting, and fails by what it did not see."""
LOSS_IS_NOTICED_SOON = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 300}
"""Ray asks a machine every 3 s for its health, and gives it up after five answers that are missing. A killed machine
refuses the connection at once; one that is only slow still has the usual ten seconds for each answer."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Return a cluster of one machine with one core; tests add others."""
    made = Cluster(
        initialize_head=True,
        connect=True,
        head_node_args={
            "num_cpus": 1,
            "num_gpus": 0,
            "object_store_memory": 100 * 2**20,
            "include_dashboard": False,
            "_system_config": LOSS_IS_NOTICED_SOON,
        },
    )
    yield made
    ray.shutdown()
    made.shutdown()


def add_machine(cluster: Any) -> Any:
    node = cluster.add_node(num_cpus=1, num_gpus=0, object_store_memory=100 * 2**20)
    cluster.wait_for_nodes(timeout=PATIENCE_S)
    return node


@pytest.fixture
def second_machine(cluster: Any) -> Iterator[Any]:
    """Return a second machine of the cluster, which a test may take away; machines that it adds go with it."""
    yield add_machine(cluster)
    for node in list(cluster.worker_nodes):
        cluster.remove_node(node, allow_graceful=False)


class StopOnce:
    """Interrupts the session once it has seen what it waits for, or has waited for too long."""

    def __init__(self, seen: Callable[[Watch], bool]) -> None:
        self.seen: Callable[[Watch], bool] | None = seen
        self.deadline = time.monotonic() + PATIENCE_S

    def __call__(self, watch: Watch) -> None:
        """Interrupt, once: a second signal would end the wait for the records of the first."""
        if self.seen is not None and (self.seen(watch) or time.monotonic() > self.deadline):
            self.seen = None
            # A signal, as the system sends it: a KeyboardInterrupt that a plugin raises is that plugin's error.
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.cluster
def test_a_cluster_makes_the_runs_that_this_process_makes(
    cluster: Any, second_machine: Any, make_spec: MakeSpec, store: RecordStore, tmp_path: Path
) -> None:
    """Catches a worker with other seeds, data or settings, an event that is lost or told twice, and a second try."""
    # One thread here too: more of them add up in another order, which eight steps of Adam make visible.
    one = {"hardware": {"name": "one", "device": "cpu", "threads": 1}}
    diverging = make_spec(protocol={"optimizer": {"kind": "sgd", "learning_rate": 1e30}}, seed=5, **one)
    specs = [make_spec(seed=0, **one), make_spec("feedback_alignment", seed=1, **one), diverging]
    here, there = Watch(), Watch()
    other = RecordStore(tmp_path / "other")
    expected = session_of(specs, other, here, None).execute()
    found = session_of(specs, store, there, RayExecutor()).execute()
    by_id = {record.run_id: record for record in found.records}
    assert {r.run_id: r.status for r in expected.records} == {k: r.status for k, r in by_id.items()}
    assert sorted(r.status for r in found.records) == ["completed", "completed", "diverged"]
    for record in expected.records:
        assert numbers(by_id[record.run_id]) == numbers(record)
        assert store.find(record.run_id) == by_id[record.run_id]
    assert sorted(there.started) == sorted(here.started)
    assert sorted(there.epochs) == sorted(here.epochs)
    assert {r.run_id for r in there.finished} == set(by_id)
    assert len(there.finished) == 3
    again = session_of(specs, store, Watch(), RayExecutor()).execute()
    assert again.reused == set(by_id)


class Removal(Watch):
    """Takes a machine away once two runs have saved something; another one comes in its place if asked for."""

    def __init__(
        self, cluster: Any, machine: Any, store: RecordStore, seen: Callable[[Watch], bool], replaced: bool = False
    ) -> None:
        super().__init__(StopOnce(seen))
        self.cluster, self.machine, self.store, self.replaced = cluster, machine, store, replaced

    @hookimpl
    def benchsuite_epoch_finished(self, run_id: str, metrics: Any) -> None:
        super().benchsuite_epoch_finished(run_id, metrics)
        if self.machine is not None and len(list(self.store.checkpoints_folder.glob("*.pt"))) == 2:
            self.cluster.remove_node(self.machine, allow_graceful=False)
            self.machine = None
            if self.replaced:
                add_machine(self.cluster)


def has_gone_on(watch: Watch) -> bool:
    """Return True if a run that was begun again has come further than what it had saved."""
    begun_again = {name: epoch for name, epoch in watch.started if epoch > 0}
    name, epoch = watch.epochs[-1]
    return name in begun_again and epoch > begun_again[name]


@pytest.mark.cluster
def test_a_run_whose_machine_is_lost_goes_on_elsewhere_from_what_it_saved(
    cluster: Any, second_machine: Any, make_spec: MakeSpec, store: RecordStore
) -> None:
    """Catches a run that is dropped, begun anew, or held back by the claim that its lost process left."""
    specs = [make_spec(protocol=ENDLESS, seed=seed) for seed in (0, 1)]
    watch = Removal(cluster, second_machine, store, has_gone_on, replaced=True)
    result = session_of(specs, store, watch, RayExecutor()).execute()
    assert sorted(record.resumed for record in result.records) == [0, 1]
    moved = next(record for record in result.records if record.resumed)
    epochs = [e.epoch for e in moved.epochs]
    assert epochs == list(range(1, len(epochs) + 1))
    starts = [epoch for name, epoch in watch.started if name == moved.run_id]
    assert starts[0] == 0
    assert 0 < starts[1] < len(epochs)


@pytest.mark.cluster
def test_a_run_that_is_lost_too_often_ends_in_a_record_with_what_it_had_saved(
    cluster: Any, second_machine: Any, make_spec: MakeSpec, store: RecordStore
) -> None:
    specs = [make_spec(protocol=ENDLESS, seed=seed) for seed in (0, 1)]
    watch = Removal(cluster, second_machine, store, lambda watch: bool(watch.finished))
    result = session_of(specs, store, watch, RayExecutor(retries=0)).execute()
    lost = next(record for record in result.records if record.status == "crashed")
    assert "worker was lost" in lost.reason
    assert lost.epochs
    assert lost.timing.peak_memory_mib is None
    assert store.find(lost.run_id) == lost
    assert not list(store.running_folder.iterdir())


@pytest.mark.cluster
def test_a_run_that_another_command_is_at_is_waited_for_and_not_made_anew(
    cluster: Any, make_spec: MakeSpec, store: RecordStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where this command said to start afresh; and asked for now and then, since each time takes a worker."""
    spec = make_spec()
    (theirs,) = session_of([spec], RecordStore(tmp_path / "theirs"), Watch(), None).execute().records
    submitted: list[float] = []
    delays: list[float] = []
    submit, outcome_of = RayExecutor._submit, RayExecutor._outcome_of

    def counted(self: RayExecutor, *arguments: Any) -> Any:
        submitted.append(time.monotonic())
        return submit(self, *arguments)

    def followed(self: RayExecutor, *arguments: Any) -> Any:
        ended = time.monotonic()
        outcome = outcome_of(self, *arguments)
        if isinstance(outcome, Attempt):
            delays.append(outcome.not_before - ended)
        return outcome

    def other_command() -> None:
        with marked_running(store.running_folder, run_id(spec)):
            begun.set()
            deadline = time.monotonic() + 240
            while len(submitted) < 3 and time.monotonic() < deadline:
                time.sleep(0.05)
            store.write(theirs)

    monkeypatch.setattr(RayExecutor, "_submit", counted)
    monkeypatch.setattr(RayExecutor, "_outcome_of", followed)
    begun = threading.Event()
    thread = threading.Thread(target=other_command)
    thread.start()
    assert begun.wait(PATIENCE_S)
    (found,) = session_of([spec], store, Watch(), RayExecutor(), fresh=True).execute().records
    thread.join()
    assert found == theirs
    assert min(later - earlier for earlier, later in pairwise(submitted)) >= POLL_S
    assert min(delays) >= POLL_S, "the next attempt waits, also where a machine is too slow for it to be seen above"


@pytest.mark.cluster
def test_an_interruption_saves_runs_wherever_they_are_and_they_go_on_later(
    cluster: Any, make_spec: MakeSpec, store: RecordStore
) -> None:
    """Catches a worker that is killed before it has written, and a run that waits for room and is forgotten."""
    specs = [make_spec(protocol=ENDLESS, seed=seed) for seed in (0, 1)]
    first: SessionResult = session_of(
        specs, store, Watch(StopOnce(lambda watch: watch.epochs[-1][1] == 3)), RayExecutor()
    ).execute()
    assert first.interrupted
    assert [record.status for record in first.records] == ["interrupted"]
    assert not list(store.running_folder.iterdir())
    begun = next(spec for spec in specs if run_id(spec) == first.records[0].run_id)
    again = Watch(StopOnce(lambda watch: watch.epochs[-1][1] > len(first.records[0].epochs)))
    (later,) = session_of([begun], store, again, RayExecutor()).execute().records
    assert later.status == "interrupted"
    assert [e.epoch for e in later.epochs] == list(range(1, len(later.epochs) + 1))
    assert len(later.epochs) > len(first.records[0].epochs)


@pytest.mark.cluster
def test_what_no_machine_has_is_refused_before_anything_is_run(
    cluster: Any, make_spec: MakeSpec, store: RecordStore, tmp_path: Path, library: SpecLibrary, registry: Registry
) -> None:
    executor = RayExecutor()
    wide = make_spec(hardware={"name": "wide", "device": "cpu", "threads": 64})
    with pytest.raises(HardwareError, match="no machine of the cluster has room for hardware 'wide': 64 CPU cores"):
        executor.check([SelectedRun(wide, "")], RunContext(store.root, store.root, fresh=False))
    # One hardware spec, for images that 64 processes decode and for data that need none, last.
    (images,) = resolve(
        Selection("imagenet-resnet18", rules=("backprop",), tier="smoke", seeds=(0,)), library, registry
    )
    hardware = images.spec.hardware.model_copy(update={"device": "cpu", "loader_processes": 64})
    both = [images.spec.model_copy(update={"hardware": hardware}), make_spec(hardware=hardware.model_dump())]
    with pytest.raises(HardwareError, match="65 CPU cores"):
        executor.check([SelectedRun(spec, "") for spec in both], RunContext(store.root, store.root, fresh=False))
    fitting = [SelectedRun(make_spec(), "")]
    # Bundled data need no folder: where this machine has none, no other needs one.
    executor.check(fitting, RunContext(store.root, tmp_path / "nowhere", fresh=False))
    here = os.getpid()

    def seen_here_only(token: Path, data_root: Path) -> dict[str, str]:
        return {**ray_worker.probe_machine(token, data_root), "data": "seen" if os.getpid() == here else "not seen"}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchsuite.execution.ray_executor.probe_machine", seen_here_only)
        with pytest.raises(HardwareError, match=r"data is not seen, expected seen(.|\n)*must be the same folders"):
            executor.check(fitting, RunContext(store.root, store.root, fresh=False))
    executor.check(fitting, RunContext(store.root, store.root, fresh=False))
    assert not [p for p in store.root.iterdir() if p.name.startswith(".looked-for")]
    assert resolve_for_cluster(HardwareSpec(name="auto", device="auto")).device == "cpu"


def test_the_record_of_a_loss_needs_no_device_and_no_checkpoint(
    make_spec: MakeSpec, make_run: Callable[..., Run]
) -> None:
    """Catches a machine without a GPU that cannot write down what became of a run on one."""
    run = make_run(make_spec(hardware={"name": "cuda", "device": "cuda"}))
    record = run.record_lost_run(LostRun("its worker was lost 4 times: gone"))
    assert (record.status, record.hardware.device, record.epochs) == ("crashed", "cuda", ())
    assert run.state.store.find(run.id) == record
    killed = run.record_lost_run(LostRun("Ray stopped it because memory ran out", "out_of_memory"))
    assert (killed.status, killed.reason) == ("out_of_memory", "Ray stopped it because memory ran out")


class Heard:
    """Stands in for the queue to the driver."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.actor = self.put_nowait = self

    def remote(self, item: Any) -> None:
        self.events.append(item)

    def count(self, event: str) -> int:
        """Return how often an event came."""
        return sum(name == event for name, _ in self.events)


def test_an_interruption_that_is_lost_in_the_worker_is_noticed_after_the_epoch(
    make_spec: MakeSpec, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a run that goes on to its end after Ctrl-C, because a callback swallowed the KeyboardInterrupt."""
    heard = Heard()
    monkeypatch.setattr(ray_worker, "was_cancelled", lambda: heard.count("benchsuite_epoch_finished") == 2)
    record = ray_worker.make_run(
        SelectedRun(make_spec(), "benchsuite run tiny"), RunContext(store.root, store.root, fresh=False), heard
    )
    assert record is not None
    assert (record.status, len(record.epochs)) == ("interrupted", 2)
    assert not list(store.running_folder.iterdir())


def test_an_interruption_that_comes_twice_still_ends_in_a_record(
    make_spec: MakeSpec, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a run without a record: the worker sees that it was cancelled, and Ray's signal comes a moment later."""
    heard = Heard()
    monkeypatch.setattr(ray_worker, "was_cancelled", lambda: heard.count("benchsuite_epoch_finished") == 2)

    def finish_late(*arguments: Any) -> RunRecord:
        signal.raise_signal(signal.SIGINT)
        return finish(*arguments)

    monkeypatch.setattr("benchsuite.execution.run.finish", finish_late)
    handler = signal.getsignal(signal.SIGINT)
    record = None
    with suppress(KeyboardInterrupt):  # which would end the tests
        record = ray_worker.make_run(
            SelectedRun(make_spec(), "benchsuite run tiny"), RunContext(store.root, store.root, fresh=False), heard
        )
    assert record is not None
    assert store.find(record.run_id) == record
    assert signal.getsignal(signal.SIGINT) is handler


class Stopped:
    """An executor that is interrupted, after one run has come to its end and before another has begun."""

    def __init__(self, make_run: Callable[..., Run]) -> None:
        self.make_run = make_run

    def check(self, runs: Any, context: RunContext) -> None:
        """Find nothing wrong."""

    def make(self, runs: Any, context: RunContext, emit: Any, lost: Any) -> Iterator[RunRecord]:
        self.make_run(runs[0].spec).execute()
        raise KeyboardInterrupt
        yield


def test_a_run_that_ended_while_the_command_was_interrupted_is_among_its_results(
    make_spec: MakeSpec, make_run: Callable[..., Run], store: RecordStore
) -> None:
    specs = [make_spec(seed=seed) for seed in (0, 1)]
    found = session_of(specs, store, Watch(), Stopped(make_run)).execute()  # type: ignore[arg-type]
    assert found.interrupted
    assert [(record.run_id, record.status) for record in found.records] == [(run_id(specs[0]), "completed")]
