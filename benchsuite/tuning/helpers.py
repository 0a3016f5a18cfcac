"""Helper processes of `benchsuite tune`: each makes trials of the same queues as the command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchsuite.execution.helper_processes import ended_after, start_helper
from benchsuite.execution.interruption import sigterm_as_interrupt
from benchsuite.execution.run_factory import RunFactory
from benchsuite.execution.workers.isolation import TorchState, until_forked
from benchsuite.execution.workers.supervisor import supervised
from benchsuite.process import own_process
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.tuning import TuningSpec
from benchsuite.tuning.search import Searched, search
from benchsuite.tuning.storage import open_storage
from benchsuite.tuning.trials import print_trial, show_nothing, trial_factory


class HelperTuning(BaseModel):
    """One tuning in a helper's request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: TuningSpec
    command: str
    result_key: str


class HelperRequest(BaseModel):
    """Everything that a helper needs, on its standard input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tunings: tuple[HelperTuning, ...]
    address: str
    store: Path
    data_root: Path
    show: bool
    parent: int
    """Process id of the command; a helper begins no trial after the command has ended."""


@contextmanager
def helpers(
    count: int, tunings: Sequence[Searched], address: str, factory: RunFactory, show: bool
) -> Iterator[Callable[[], int]]:
    """Start processes that make trials for the length of the block; yield a function that waits for them to end.

    The function returns the number of helpers that failed. Helpers that are left when the block ends are interrupted.
    """
    request = HelperRequest(
        tunings=tuple(HelperTuning(spec=t.spec, command=t.command, result_key=t.result_key) for t in tunings),
        address=address,
        store=factory.store.root.parent,
        data_root=factory.loader.data_root,
        show=show,
        parent=os.getpid(),
    )
    processes = [_start(request) for _ in range(count)]
    with ended_after(processes):
        yield lambda: sum(process.wait() != 0 for process in processes)


def _start(request: HelperRequest) -> subprocess.Popen[bytes]:
    process = start_helper(__name__, stdout=2)
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as stream:
            stream.write(request.model_dump_json().encode())
    return process


def main() -> int:
    """Make trials until none is left; return 0, or 130 if interrupted."""
    own_process()
    request = HelperRequest.model_validate_json(sys.stdin.read())
    torch_state = TorchState.read()
    until_forked(torch_state).apply()
    factory = trial_factory(request.store, request.data_root, installed_registry())
    tunings = [Searched(each.spec, each.command, each.result_key) for each in request.tunings]
    runs = [SelectedRun(each.spec.run, each.command) for each in tunings]
    report = print_trial if request.show else show_nothing

    def is_wanted() -> bool:
        return os.getppid() == request.parent

    try:
        with sigterm_as_interrupt(), supervised(factory, runs, torch_state):
            search(tunings, open_storage(request.address), factory, report, is_wanted, fill=False)
    except KeyboardInterrupt:
        return 130
    return 0
