"""``benchsuite run``: make runs, or continue them, and show what came out."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.options import (
    DEFAULT_STORE,
    DataRootOption,
    ExecutorName,
    ExecutorOption,
    HardwareOption,
    JsonOption,
    RulesOption,
    SeedOption,
    SeedsOption,
    SetOption,
    SpecsOption,
    StoreOption,
    TargetArgument,
    TierOption,
    TrackingOption,
    data_root,
    messages,
    output,
    print_json,
    resolved,
    resolved_experiment,
    selection,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchsuite.execution.executor import Executor
    from benchsuite.execution.session import SessionResult
    from benchsuite.records.store import RecordStore
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.loading.resolve import SelectedRun
    from benchsuite.specs.models.hardware import HardwareSpec
    from benchsuite.training.ranks import Ranks

FAILED_STATUSES = frozenset({"crashed", "out_of_memory"})


def run(
    target: TargetArgument,
    rules: RulesOption = None,
    tier: TierOption = None,
    seeds: SeedsOption = None,
    seed: SeedOption = None,
    overrides: SetOption = None,
    hardware: HardwareOption = "auto",
    store: StoreOption = DEFAULT_STORE,
    data: DataRootOption = None,
    specs: SpecsOption = None,
    tracking_uri: TrackingOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over: ignore finished runs and checkpoints.")] = False,
    executor: ExecutorOption = "local",
    as_json: JsonOption = False,
) -> int:
    """Run a suite or a track (every rule with every seed), or an experiment.

    With `torchrun --nproc-per-node N -m benchsuite run …` each run is made by N processes together.
    With `--executor ray` many runs are made at once, on the cluster of RAY_ADDRESS or on this machine.

    Runs that are finished already are not run again, and interrupted ones continue where they were. Ctrl-C saves the
    state. Try `benchsuite plan` first to see what would be run.
    """
    from benchsuite.records.mlflow.connection import prepare_environment
    from benchsuite.records.store import RecordStore
    from benchsuite.training.ranks import joined_ranks, launched_size

    # Before any plugin can import MLflow: telemetry is decided when it is imported.
    prepare_environment()
    chosen = selection(target, rules, tier, seeds, seed, overrides, hardware)
    experiment, registry = resolved_experiment(chosen, specs)
    if experiment is not None:
        from benchsuite.cli.experiment import run_experiment
        from benchsuite.errors import HardwareError

        if launched_size() > 1:
            raise HardwareError("an experiment is made by one process; start it without torchrun")
        return run_experiment(experiment, registry, store, specs, fresh, as_json)
    runs, registry = resolved(chosen, specs, _settling(executor))
    records = RecordStore(store.resolve())
    with joined_ranks() as ranks:
        result = _make(runs, registry, records, data_root(data), fresh, tracking_uri, ranks, executor)
        if result.interrupted:
            ranks.leave()
    code = 1 if any(r.status in FAILED_STATUSES for r in result.records) else 0
    if result.refused and not result.records:
        code = 2  # the request was wrong, nothing was started
    if not ranks.leads:
        return 130 if result.interrupted else code
    if as_json:
        print_json(
            {
                "store": str(records.root),
                "interrupted": result.interrupted,
                "refused": [asdict(pair) for pair in result.refused],
                "records": [r.model_dump(mode="json") for r in result.records],
            }
        )
    elif result.records:
        _show(result, records, store, specs)
    if result.interrupted:
        again = shlex.join(["benchsuite", *(a for a in sys.argv[1:] if a != "--fresh")])
        sys.stderr.write(f"benchsuite: interrupted; state is saved, continue with: {again}\n")
        return 130
    return code


def _make(
    runs: list[SelectedRun],
    registry: Registry,
    records: RecordStore,
    data: Path,
    fresh: bool,
    tracking_uri: str | None,
    ranks: Ranks,
    executor: ExecutorName,
) -> SessionResult:
    """Make the runs, watched by the progress display and by MLflow in the process that writes."""
    from benchsuite.cli.progress import ProgressDisplay
    from benchsuite.execution.session import Session
    from benchsuite.records.mlflow.plugin import MlflowRecorder
    from benchsuite.records.mlflow.uris import default_tracking_uri

    session = Session(
        runs,
        records,
        registry,
        data,
        fresh,
        lambda record: display.reused(record),
        ranks,
        _executor(executor, ranks),
    )
    session.check()
    display = ProgressDisplay(messages(), total=len(session.runs))
    if not ranks.leads:
        return session.execute()
    for pair in session.refused:
        sys.stderr.write(f"benchsuite: {pair}\n")
    uri = default_tracking_uri(records.root) if tracking_uri is None else tracking_uri
    watchers = [display, MlflowRecorder(warn=display.warn)]
    for watcher in watchers:
        registry.manager.register(watcher)
    try:
        with display:
            return session.execute(None if uri == "none" else uri)
    finally:
        for watcher in watchers:
            registry.manager.unregister(watcher)


def _settling(name: ExecutorName) -> Callable[[HardwareSpec], HardwareSpec] | None:
    """Return what makes a spec's device explicit where runs are made; None for this machine's own."""
    if name == "local":
        return None
    from benchsuite.execution.ray_executor import settle_for_cluster

    return settle_for_cluster


def _executor(name: ExecutorName, ranks: Ranks) -> Executor | None:
    from benchsuite.errors import HardwareError

    if name == "local":
        return None
    if ranks.size > 1:
        raise HardwareError("torchrun shares one run among processes, --executor ray makes many runs: use one of them")
    from benchsuite.execution.ray_executor import RayExecutor

    return RayExecutor()


def _show(result: SessionResult, records: RecordStore, store: Path, specs: list[Path] | None) -> None:
    from benchsuite.cli.papers import build_store_page
    from benchsuite.cli.tables import results_table
    from benchsuite.errors import BenchsuiteError
    from benchsuite.results.tables import summarize

    console = output()
    for table in summarize(result.records):
        console.print(results_table(table))
    try:
        report = build_store_page(records, specs)
    except BenchsuiteError as error:
        # The page can be built again at any time; the records are safe.
        messages().print(f"[yellow]no leaderboard page:[/] {error}")
        return
    given = [] if store == DEFAULT_STORE else ["--store", str(store)]
    console.print(f"\nleaderboard page  {report.index}", soft_wrap=True)
    console.print(f"records           {records.records_folder}", soft_wrap=True)
    hints = {
        shlex.join(["benchsuite", "ui", *given]): "the same runs in MLflow",
        "benchsuite new rule my_rule": "a rule of your own, ready to run",
    }
    width = max(len(command) for command in hints)
    console.print("\nnext")
    for command, what in hints.items():
        console.print(f"  {command.ljust(width)}  {what}", soft_wrap=True)
