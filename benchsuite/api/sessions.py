"""Make the runs of one request, here or on a cluster; mirror them into MLflow and show progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from benchsuite.api.executors import make_executor
from benchsuite.api.mirroring import finish_mirror, session_recorder
from benchsuite.api.progress import Progress
from benchsuite.api.session_options import SessionOptions
from benchsuite.execution.session import Session, SessionResult
from benchsuite.execution.threads import jobs_that_pay
from benchsuite.execution.workers.starting import can_make_workers
from benchsuite.execution.workers.supervisor import supervised
from benchsuite.process import stdout_to_stderr
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.training.ranks import Ranks

if TYPE_CHECKING:
    from benchsuite.api.workspace import Workspace


def make_runs(
    runs: list[SelectedRun], workspace: Workspace, options: SessionOptions, ranks: Ranks, progress: Progress
) -> SessionResult:
    """Make all runs that have no final record yet; rank 0 alone shows progress and writes to MLflow."""
    registry = workspace.registry
    session = Session(
        runs,
        options.store,
        registry,
        options.data_root,
        options.fresh,
        progress.found,
        ranks,
        make_executor(options.executor, ranks, options.jobs or 1, options.slurm),
        on_replace=progress.replaced,
    )
    options.preparing.apply()  # whatever plugins have set when they were imported
    with stdout_to_stderr():
        session.check()
    in_workers = options.executor == "local" and ranks.world_size == 1 and can_make_workers(session.factory)
    if not in_workers:
        options.torch_state.apply()
    if not ranks.is_rank0:
        return session.execute()
    for problem in registry.problems():
        progress.warn(problem)
    for pair in session.refused:
        progress.refused(pair)
    if not session.runs:
        return session.execute()
    jobs = options.jobs or jobs_that_pay(session.checked, options.torch_state.threads)
    if options.jobs and jobs > 1 and not in_workers:
        progress.warn("one run at a time: this system cannot make runs in processes of their own")
    workers = supervised(session.factory, session.runs, options.torch_state, jobs) if in_workers else nullcontext()
    recorder = session_recorder(options.tracking_uri, progress.warn, (run.spec for run in session.runs), workspace)
    with workers, _registered(registry, progress, recorder), progress:
        progress.start(len(session.runs))
        result = session.execute(options.tracking_uri)
    try:
        finish_mirror(recorder)
    except KeyboardInterrupt:
        result.interrupted = True
    return result


@contextmanager
def _registered(registry: Registry, *watchers: object) -> Iterator[None]:
    for watcher in watchers:
        registry.manager.register(watcher)
    try:
        yield
    finally:
        for watcher in watchers:
            registry.manager.unregister(watcher)
