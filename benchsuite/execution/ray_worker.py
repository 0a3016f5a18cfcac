"""Tasks of a Ray worker: make one run and forward its events to the machine of the command."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.execution.endings import InterruptedRunError
from benchsuite.execution.executor import RunContext, threads_of
from benchsuite.execution.loading import DataLoader
from benchsuite.execution.run import Run
from benchsuite.records.model import RunRecord
from benchsuite.records.running import RunningElsewhereError
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.training.device import resolve_hardware
from benchsuite.version import __version__

FORWARDED_EVENTS = frozenset({"benchsuite_run_started", "benchsuite_epoch_finished", "benchsuite_diagnostics_measured"})
"""Events that the worker sends; the command's process makes the others from the record, which is returned whole."""


def make_run(selected: SelectedRun, context: RunContext, events: Any) -> RunRecord | None:
    """Make one run in this process and return its record; None if another live process is making it.

    Args:
        selected: the run and its command.
        context: folders of the store and of data sets.
        events: a queue that gets (event, arguments).

    Raises:
        HardwareError: if this machine lacks what the run's hardware spec asks for.
        DataError: if the data set is missing or damaged on this machine.

    """
    keep_freed_memory()
    torch.set_num_threads(threads_of(selected.spec.hardware))
    resolve_hardware(selected.spec.hardware)
    registry = installed_registry()
    data = _loader(context.data_root).load(selected.spec.dataset)

    passed_on: list[Any] = []

    def pass_on(event: str, **arguments: object) -> None:
        if event in FORWARDED_EVENTS:
            # Not `put`, which waits for an answer: an interruption during the wait raises another exception than
            # KeyboardInterrupt, and the run would end as crashed.
            passed_on[:] = [events.actor.put_nowait.remote((event, arguments))]
            if was_cancelled():
                # A KeyboardInterrupt that arrives during a callback of the interpreter is lost, so raise it here.
                raise KeyboardInterrupt

    run = Run(selected, data, RecordStore(context.store), registry, context.fresh, emit=pass_on)
    earlier = run.earlier_record()
    if earlier is not None:
        return earlier
    try:
        record = run.execute(unless_finished=True)
    except InterruptedRunError as stop:
        return stop.record
    except RunningElsewhereError:
        return None
    if passed_on:
        # Events must arrive before the record; the calls of one worker arrive in order.
        import ray

        ray.wait(passed_on)
    return record


def was_cancelled() -> bool:
    """Return True if this process's task was cancelled; False if that is not known."""
    import ray

    try:
        return bool(ray.get_runtime_context().is_canceled())
    except (AttributeError, RuntimeError):  # an older Ray, or not in a worker
        return False


def probe_machine(token: Path, data_root: Path) -> dict[str, str]:
    """Return what must be equal on all machines: access to the store and the data, and versions."""
    return {
        "the store": "seen" if token.is_file() else "not seen",
        "data": "seen" if data_root.is_dir() else "not seen",
        "Python": ".".join(str(n) for n in sys.version_info[:2]),
        "torch": str(torch.__version__),
        "benchsuite": __version__,
    }


@lru_cache(maxsize=1)
def _loader(data_root: Path) -> DataLoader:
    # Cached: a worker makes many runs, mostly of the same track.
    return DataLoader(data_root, installed_registry(), keep=2)
