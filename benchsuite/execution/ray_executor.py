"""Executor that makes runs on the machines of a Ray cluster, each on a machine with room for it.

Every machine must see the store. A run writes its record and checkpoints there itself, so that a run whose machine is
lost continues from its last checkpoint on another machine.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from queue import Empty
from typing import TYPE_CHECKING, Any

from benchsuite.errors import BenchsuiteError, HardwareError
from benchsuite.execution.cluster_runs import Attempt, Cluster, make_on_cluster, release_lock
from benchsuite.execution.endings import LostRun, first_line
from benchsuite.execution.executor import LostRunHandler, RunContext, SendEvent
from benchsuite.execution.ray_worker import make_run, probe_machine
from benchsuite.execution.reservations import GIB, resources_for
from benchsuite.records.model import RunRecord
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.hardware import HardwareSpec

if TYPE_CHECKING:
    from ray import ObjectRef

logger = logging.getLogger("benchsuite.execution")

RETRIES = 3
"""Number of times that a run continues elsewhere after its worker or machine was lost."""
POLL_S = 0.2
PROBE_TIMEOUT_S = 120.0


def resolve_for_cluster(hardware: HardwareSpec) -> HardwareSpec:
    """Return a spec whose device is explicit: ``auto`` becomes cuda if the cluster has a GPU, else cpu.

    Raises:
        HardwareError: if Ray is not installed, or the cluster does not answer.

    """
    ray = connected()
    if hardware.device != "auto":
        return hardware
    return hardware.model_copy(update={"device": "cuda" if ray.cluster_resources().get("GPU", 0) else "cpu"})


def connected() -> Any:
    """Return the ``ray`` module, connected to the cluster of ``RAY_ADDRESS``, a local one, or one that it starts here.

    Raises:
        HardwareError: if Ray is not installed, or the cluster does not answer.

    """
    # Under `uv run`, Ray would build a virtual environment anew for every worker. Machines of a cluster must have this
    # environment already (`_require_same_environment`). Ray reads the variable when it is imported.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        import ray
    except ImportError:
        raise HardwareError("--executor ray needs Ray, which is not installed: pip install 'benchsuite[ray]'") from None
    if not ray.is_initialized():
        try:
            # Workers' output stays in Ray's logs; all results of a run are in its record.
            ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = os.environ.get("RAY_ADDRESS", "this machine")
            raise HardwareError(f"no Ray cluster at {where}: {first_line(error)}") from error
    return ray


class RayExecutor:
    """Executor whose runs are tasks of a Ray cluster; see ``Executor``."""

    def __init__(self, retries: int = RETRIES) -> None:
        self.retries = retries
        self.ray = connected()

    # --- before the first run ---

    def check(self, runs: Sequence[SelectedRun], context: RunContext) -> None:
        """Check that a machine is large enough for each run, and that all machines see the store and have our versions.

        Raises:
            HardwareError: if not; names the machine, what it has, and what was expected.

        """
        machines = [node for node in self.ray.nodes() if node["Alive"]]
        # One hardware spec may need more for one data set than for another.
        for name, need in dict.fromkeys((run.spec.hardware.name, resources_for(run.spec)) for run in runs):
            if not any(need.fits(node["Resources"]) for node in machines):
                there = "; ".join(sorted({_described(node["Resources"]) for node in machines}))
                raise HardwareError(f"no machine of the cluster has room for hardware '{name}': {need}. There: {there}")
        self._require_same_environment(machines, context)

    def _require_same_environment(self, machines: list[dict[str, Any]], context: RunContext) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        token = context.store / f".looked-for-{uuid.uuid4().hex}"
        token.touch()
        try:
            task = self.ray.remote(num_cpus=0, max_retries=0)(probe_machine)
            asked = {
                node["NodeManagerHostname"] + " " + node["NodeID"][:8]: task.options(
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                ).remote(token, context.data_root)
                for node in machines
            }
            seen = {name: self._seen_by(answer) for name, answer in asked.items()}
        except self.ray.exceptions.RayError as error:
            raise HardwareError(f"a machine of the cluster does not answer: {first_line(error)}") from error
        finally:
            token.unlink(missing_ok=True)
        # Where this machine has no folder of data, all data sets are bundled or generated, and no machine needs it.
        expected = {**probe_machine(context.store, context.data_root), "the store": "seen"}
        wrong = [
            f"  {machine}: {what} {'is ' if 'seen' in value else ''}{value}, expected {expected[what]}"
            for machine, found in sorted(seen.items())
            for what, value in (found or {}).items()
            if value != expected[what] and (what, value) != ("data", "seen")
        ]
        if wrong:
            folders = (
                f"the store {context.store} and the data {context.data_root} must be the same folders on all machines"
            )
            raise HardwareError("\n".join(["machines of the cluster differ:", *wrong, f"  {folders}"]))

    def _seen_by(self, answer: ObjectRef[dict[str, str]]) -> dict[str, str] | None:
        """Return a machine's answer; None if the machine is gone, which Ray may notice a moment later."""
        try:
            found: dict[str, str] = self.ray.get(answer, timeout=PROBE_TIMEOUT_S)
        except (self.ray.exceptions.TaskUnschedulableError, self.ray.exceptions.NodeDiedError):
            return None
        return found

    # --- the runs ---

    def make(
        self, runs: Sequence[SelectedRun], context: RunContext, emit: SendEvent, lost: LostRunHandler
    ) -> Iterator[RunRecord]:
        """Yield records as runs end; a run whose worker is lost continues elsewhere, from its last checkpoint.

        A run that another command is making is submitted again until it has a record.
        """
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # The queue is on this machine: if another machine held it and was lost, all events would be lost.
        here = NodeAffinitySchedulingStrategy(self.ray.get_runtime_context().get_node_id(), soft=False)
        events = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        cluster: Cluster[ObjectRef[RunRecord | None]] = Cluster(
            submit=lambda attempts: {self._submit(attempt, context, events): attempt for attempt in attempts},
            wait=self._wait_for_one,
            outcome_of=lambda answer, attempt: self._outcome_of(answer, attempt, context),
            forward_events=lambda: _forward_events(events, emit),
            cancel=self._cancel,
            poll_s=POLL_S,
        )
        try:
            yield from make_on_cluster(cluster, runs, context, lost)
        finally:
            events.shutdown(force=True)

    def _wait_for_one(self, answers: list[ObjectRef[RunRecord | None]]) -> list[ObjectRef[RunRecord | None]]:
        """Return the task that ends next in a list, or an empty list after ``POLL_S`` seconds."""
        ended: list[ObjectRef[RunRecord | None]] = self.ray.wait(answers, num_returns=1, timeout=POLL_S)[0]
        return ended

    def _submit(self, attempt: Attempt, context: RunContext, events: Any) -> ObjectRef[RunRecord | None]:
        need = resources_for(attempt.selected.spec)
        # No retries by Ray: it does not know that a lost run's lock in the store must be released first.
        options = {"num_cpus": need.cores, "num_gpus": need.gpus, "memory": need.memory, "max_retries": 0}
        task = self.ray.remote(**{key: value for key, value in options.items() if key != "memory" or value})(make_run)
        reference: ObjectRef[RunRecord | None] = task.remote(attempt.selected, attempt.context_in(context), events)
        return reference

    def _outcome_of(
        self, answer: ObjectRef[RunRecord | None], attempt: Attempt, context: RunContext
    ) -> RunRecord | Attempt | LostRun:
        """Return the record of an attempt that ended, the next attempt, or the reason why there is none."""
        errors = self.ray.exceptions
        losses = (errors.WorkerCrashedError, errors.NodeDiedError, errors.OwnerDiedError, errors.ObjectLostError)
        try:
            record: RunRecord | None = self.ray.get(answer)
        except errors.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, BenchsuiteError) else error) from None
        except errors.OutOfMemoryError as error:
            release_lock(attempt, context)
            return LostRun(f"Ray stopped it because memory ran out: {first_line(error)}", "out_of_memory")
        except losses as error:
            release_lock(attempt, context)
            if attempt.number >= self.retries:
                return LostRun(f"its worker was lost {attempt.number + 1} times: {first_line(error)}")
            logger.warning("a worker was lost (%s); its run continues on another worker", first_line(error))
            return replace(attempt, number=attempt.number + 1)
        # Without a record, another command is making the run: the next attempt finds its record or makes the run.
        return record or replace(attempt, not_before=time.monotonic() + POLL_S)

    def _cancel(self, answers: list[ObjectRef[RunRecord | None]]) -> None:
        """Have each task's worker end its run as interrupted; a later command resumes it from its checkpoint."""
        for answer in answers:
            self.ray.cancel(answer, force=False)


def _forward_events(events: Any, emit: SendEvent) -> None:
    """Send the events that workers have put in the queue since the last call."""
    while True:
        try:
            event, arguments = events.get_nowait()
        except Empty:
            return
        emit(event, **arguments)


def _described(resources: dict[str, float]) -> str:
    memory = f"{resources.get('memory', 0) / GIB:.0f} GiB of memory"
    return f"{resources.get('CPU', 0):g} CPU cores, {resources.get('GPU', 0):g} GPUs, {memory}"
