"""Tasks of a Ray worker: make one run and forward its events to the machine of the command."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from benchsuite.execution.endings import InterruptedRunError
from benchsuite.execution.executor import RunContext
from benchsuite.execution.interruption import interruptions_ignored
from benchsuite.execution.remote_worker import make_run_here
from benchsuite.records.model import RunRecord
from benchsuite.records.running import RunningElsewhereError
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.version import __version__


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
    passed_on: list[Any] = []

    def pass_on(event: str, **arguments: object) -> None:
        # Not `put`, which waits for an answer: an interruption during the wait raises another exception than
        # KeyboardInterrupt, and the run would end as crashed.
        passed_on[:] = [events.actor.put_nowait.remote((event, arguments))]
        if was_cancelled():
            # A KeyboardInterrupt that arrives during a callback of the interpreter is lost, so raise it here. Ray's own
            # may still be on its way; it would meet the run where it ends, and leave it without a record.
            stack.enter_context(interruptions_ignored())
            raise KeyboardInterrupt

    with ExitStack() as stack:
        try:
            record = make_run_here(selected, context, pass_on)
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
