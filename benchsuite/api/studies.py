"""Run studies, or find their records in the store."""

from __future__ import annotations

from benchsuite.api.mirroring import mirror_study
from benchsuite.api.progress import Progress
from benchsuite.api.records import Records
from benchsuite.api.results import Results
from benchsuite.api.session_options import SessionOptions
from benchsuite.api.workspace import Workspace
from benchsuite.errors import HardwareError
from benchsuite.specs.loading.resolve import Selection
from benchsuite.specs.loading.resolve_study import resolve_study
from benchsuite.specs.loading.targets import Target
from benchsuite.studies.execute import earlier_record, execute, make_study
from benchsuite.training.ranks import launched_world_size


def run_study(
    selection: Selection, target: Target, workspace: Workspace, options: SessionOptions, progress: Progress
) -> Results:
    """Run a study unless the store has its record; an interrupted one leaves no record."""
    registry = workspace.registry
    selected = resolve_study(selection, target, registry.study_specs)
    if launched_world_size() > 1:
        raise HardwareError("a study is made by one process; start it without torchrun")
    options.torch_state.apply()  # a study is made in this process
    record = None if options.fresh else earlier_record(selected, options.store, registry)
    reused = frozenset() if record is None else frozenset({record.study_id})
    if record is not None:
        progress.found_study(record)
    else:
        progress.start_study(selected.spec, make_study(selected, registry).steps)
        try:
            with progress:
                record = execute(selected, options.store, registry, progress.study_step_finished)
            mirror_study(record, options, workspace, progress.warn)
        except KeyboardInterrupt:
            pass  # the result says so: nothing was recorded
    return Results(
        Records(),
        options.store,
        record,
        reused=reused,
        interrupted=record is None,
        is_study=True,
        workspace=workspace,
    )
