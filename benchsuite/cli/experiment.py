"""``benchsuite run`` on an experiment: run it whole, or find its record, and show what came out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.cli.options import messages, output, print_json

if TYPE_CHECKING:
    from benchsuite.records.experiment import ExperimentRecord, Trajectory
    from benchsuite.records.store import RecordStore
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.loading.resolve_experiment import SelectedExperiment


def run_experiment(
    selected: SelectedExperiment, registry: Registry, store: Path, specs: list[Path] | None, fresh: bool, as_json: bool
) -> int:
    """Run an experiment unless the store has its record, then print its table and build the page."""
    from benchsuite.records.store import RecordStore
    from benchsuite.studies.execute import earlier_record, execute

    records = RecordStore(store.resolve())
    record = None if fresh else earlier_record(selected, records, registry)
    if record is not None:
        messages().print(f"{record.spec.name}  found, not run again (--fresh does)", markup=False, soft_wrap=True)
    else:
        try:
            record = execute(selected, records, registry, _Progress(selected))
        except KeyboardInterrupt:
            again = shlex.join(["benchsuite", *sys.argv[1:]])
            sys.stderr.write(f"benchsuite: interrupted; nothing was recorded, start again with: {again}\n")
            return 130
    if as_json:
        print_json({"store": str(records.root), "experiment": record.model_dump(mode="json")})
    else:
        _show(record, records, specs)
    return 0


class _Progress:
    """One line on stderr for each trajectory, as it ends."""

    def __init__(self, selected: SelectedExperiment) -> None:
        self.name = selected.spec.name
        self.total = len(selected.spec.seeds) * (len(selected.spec.feedback_rates) + 1)
        self.finished = 0

    def __call__(self, trajectory: Trajectory, seconds: float) -> None:
        from benchsuite_leaderboard.study_tables import trajectory_label

        self.finished += 1
        count = f"{self.finished}/{self.total}".rjust(2 * len(str(self.total)) + 1)
        label = trajectory_label(trajectory.rule, trajectory.feedback_rate)
        error = trajectory.final_log10_squared_error
        result = f"log10 of the error {error:6.2f}" if error is not None else trajectory.reason
        messages().print(
            f"{count}  {self.name}  {label:<33} seed {trajectory.seed}  {trajectory.status}  {result}  {seconds:.1f} s",
            markup=False,
            soft_wrap=True,
        )


def _show(record: ExperimentRecord, records: RecordStore, specs: list[Path] | None) -> None:
    from benchsuite.cli.papers import build_store_page
    from benchsuite.cli.tables import experiment_table
    from benchsuite.errors import BenchsuiteError
    from benchsuite_leaderboard.study_tables import summarize_studies

    console = output()
    for table in summarize_studies([record]):
        console.print(experiment_table(table))
    try:
        report = build_store_page(records, specs)
    except BenchsuiteError as error:
        # The page can be built again at any time; the record is safe.
        messages().print(f"[yellow]no page:[/] {error}")
        return
    page = report.out / "studies" / f"{record.spec.name}.html"
    path = records.experiments_folder / f"{record.experiment_id}.json"
    console.print(f"\nfigure  {page}", markup=False, soft_wrap=True)
    console.print(f"record  {path}", markup=False, soft_wrap=True)
