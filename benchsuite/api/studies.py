"""Run experiments on theory, or find their records in the store."""

from __future__ import annotations

from benchsuite.api.progress import Progress
from benchsuite.api.records import Records
from benchsuite.api.results import Results
from benchsuite.api.session_options import SessionOptions
from benchsuite.api.workspace import Workspace
from benchsuite.errors import HardwareError
from benchsuite.specs.loading.resolve import Selection
from benchsuite.specs.loading.resolve_experiment import resolve_experiment
from benchsuite.specs.loading.targets import Target
from benchsuite.studies.execute import earlier_record, execute
from benchsuite.training.ranks import launched_world_size


def run_experiment(
    selection: Selection, target: Target, workspace: Workspace, options: SessionOptions, progress: Progress
) -> Results:
    """Run an experiment unless the store has its record; an interrupted one leaves no record."""
    selected = resolve_experiment(selection, target)
    if launched_world_size() > 1:
        raise HardwareError("an experiment is made by one process; start it without torchrun")
    options.torch_state.apply()  # an experiment is made in this process
    record = None if options.fresh else earlier_record(selected, options.store, workspace.registry)
    reused = frozenset() if record is None else frozenset({record.experiment_id})
    if record is not None:
        progress.found_experiment(record)
    else:
        progress.start_experiment(selected.spec)
        try:
            with progress:
                record = execute(selected, options.store, workspace.registry, progress.trajectory_finished)
        except KeyboardInterrupt:
            pass  # the result says so: nothing was recorded
    return Results(
        Records(),
        options.store,
        record,
        reused=reused,
        interrupted=record is None,
        is_experiment=True,
        workspace=workspace,
    )
