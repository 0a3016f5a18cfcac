"""``benchsuite run``: make or continue runs, and show their results."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.next_steps import after_runs, same_places, show_next
from benchsuite.cli.options import (
    DEFAULT_STORE,
    DataRootOption,
    ExecutorOption,
    HardwareOption,
    JsonOption,
    RulesOption,
    SeedOption,
    SeedsOption,
    SetOption,
    SettingsOption,
    SlurmOption,
    SpecsOption,
    StoreOption,
    TargetArgument,
    TierOption,
    TrackingOption,
    WideOption,
    chosen_seeds,
    messages,
    output,
    print_json,
    print_message,
    show,
)
from benchsuite.cli.safe_stderr import write_safely
from benchsuite.errors import BenchsuiteError

if TYPE_CHECKING:
    from benchsuite.api.results import Results


def run(
    target: TargetArgument,
    rules: RulesOption = None,
    tier: TierOption = None,
    seeds: SeedsOption = None,
    seed: SeedOption = None,
    settings: SettingsOption = "published",
    overrides: SetOption = None,
    hardware: HardwareOption = "auto",
    store: StoreOption = DEFAULT_STORE,
    data: DataRootOption = None,
    specs: SpecsOption = None,
    tracking_uri: TrackingOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over: ignore finished runs and checkpoints.")] = False,
    executor: ExecutorOption = "local",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, max=1024, help="Runs at the same time on this machine; as many as pay if not given."
        ),
    ] = None,
    slurm: SlurmOption = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> int:
    """Run a suite or a track (every rule with every seed), or a study.

    Finished runs are not run again, and interrupted ones continue where they were.
    Ctrl-C saves the state. `benchsuite plan` shows before what would be run.

    `--jobs N`: N runs at the same time, each with its share of the cores.
    `--executor ray`: many runs, on the cluster of RAY_ADDRESS or on this machine.
    `--executor slurm`: each run a job of the SLURM cluster; `--slurm partition=gpu` chooses where.
    `torchrun --nproc-per-node N -m benchsuite run …`: N processes per run.
    """
    from benchsuite.api.announcing import announce, remember_rules
    from benchsuite.api.mirroring import mirrored_beside

    with mirrored_beside(tracking_uri, _say):
        announce(target, rules, chosen_seeds(seeds, seed), tier, specs, settings)
        from benchsuite.api.runs import run

        results = run(
            target,
            rules=rules,
            seeds=chosen_seeds(seeds, seed),
            tier=tier,
            settings=settings,
            set=overrides,
            hardware=hardware,
            store=store,
            data_root=data,
            specs=specs,
            tracking_uri=tracking_uri,
            fresh=fresh,
            executor=executor,
            jobs=jobs,
            slurm=slurm,
            progress=True,
        )
        if results.is_rank0:
            _print(results, store, as_json, wide, same_places(store, specs, data, hardware))
            remember_rules()
    if results.refused and not results.records:
        return 2  # The request was wrong: nothing was left to run.
    return 130 if results.interrupted else 1 if results.failed else 0


def _say(line: str) -> None:
    messages().print(line, markup=False, soft_wrap=True)


def _print(results: Results, store: Path, as_json: bool, wide: bool, places: list[str]) -> None:
    if results.is_study and results.interrupted:
        again = shlex.join(["benchsuite", *sys.argv[1:]])
        write_safely(f"benchsuite: interrupted; nothing was recorded, start again with: {again}\n")
        return
    if as_json:
        print_json(results.as_data())
    elif results.records or results.study is not None:
        show(results.tables(), wide=wide)
        _show_site(results, store, places)
    if results.interrupted:
        again = shlex.join(["benchsuite", *(a for a in sys.argv[1:] if a != "--fresh")])
        write_safely(f"benchsuite: interrupted; state is saved, continue with: {again}\n")


def _show_site(results: Results, store: Path, places: list[str]) -> None:
    console = output()
    page = "page" if results.is_study else "leaderboard page"
    try:
        report = results.build_site(print_message)
    except BenchsuiteError as error:
        # Only the page failed, and it can be built again at any time; the records are safe.
        messages().print(f"[yellow]no {page}:[/] {error}")
        return
    if results.study is not None:
        figure = report.out / "studies" / f"{results.study.spec.name}.html"
        record = results.store.studies_folder / f"{results.study.study_id}.json"
        console.print(f"\nfigure  {figure}", markup=False, soft_wrap=True)
        console.print(f"record  {record}", markup=False, soft_wrap=True)
        return
    console.print(f"\nleaderboard page  {report.index}", soft_wrap=True)
    console.print(f"records           {results.store.records_folder}", soft_wrap=True)
    show_next(after_runs(results.records, store, places))
