"""Helper processes of `benchsuite tune`: each makes trials of the same queues as the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchsuite.execution.interruption import sigterm_as_interrupt
from benchsuite.execution.making import RunFactory
from benchsuite.execution.workers.isolation import TorchState, until_forked
from benchsuite.execution.workers.supervisor import supervised
from benchsuite.process import own_process
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.tuning import TuningSpec
from benchsuite.tuning.search import Searched, search
from benchsuite.tuning.storage import open_storage
from benchsuite.tuning.trials import print_trial, show_nothing, trial_factory

BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from benchsuite.tuning.helpers import main; sys.exit(main())"
)
"""Code that a helper's interpreter runs: never the caller's script."""

GRACE_S = 60.0
"""Time for a helper to save its trial's state when the command was interrupted."""


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
    try:
        yield lambda: sum(process.wait() != 0 for process in processes)
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(request: HelperRequest) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", BOOT, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=2,
        text=True,
        start_new_session=True,  # a terminal's signals are for the command alone, which passes them on
    )
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as stream:
            stream.write(request.model_dump_json())
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
