"""Make the trials of one request, and mirror the records of tunings."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite.api.mirroring import mirror_tunings
from benchsuite.api.session_options import SessionOptions
from benchsuite.api.tuning import Tunings
from benchsuite.execution.preflight import check_runs, runs_with_data
from benchsuite.process import stdout_to_stderr
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.loading.resolve_tuning import SelectedTuning
from benchsuite.tuning.processes import search_in_processes
from benchsuite.tuning.search import records_in_store, searched
from benchsuite.tuning.storage import default_address
from benchsuite.tuning.trials import trial_factory


def make_tunings(
    tunings: Sequence[SelectedTuning],
    commands: Sequence[str],
    options: SessionOptions,
    registry: Registry,
    storage: str | None,
    jobs: int,
    *,
    show: bool,
) -> Tunings:
    """Check all pairs of rule and network, make the trials that are left and mirror the records.

    Of several tracks, those whose data cannot be had are left out with a warning.

    Args:
        tunings: the tunings of the request.
        commands: the command that repeats each.
        options: store, data root and torch's state.
        registry: provides the rules.
        storage: address of the storage; None for one in the store.
        jobs: number of processes.
        show: True to print a line per trial on stderr.

    Raises:
        DataError: if the data of no track can be had.
        StoreError: if records cannot be written, or the storage cannot be opened.

    """
    factory = trial_factory(options.store.root, options.data_root, registry)
    runs = [SelectedRun(t.spec.run, command) for t, command in zip(tunings, commands, strict=True)]
    spec_of = {id(run): t.spec for run, t in zip(runs, tunings, strict=True)}
    options.preparing.apply()
    with stdout_to_stderr():
        runs = runs_with_data(runs, factory.loader)
        found = check_runs(runs, registry, factory.loader, factory.ranks)
    possible = [searched(spec_of[id(run.selected)], run.selected.command, factory) for run in found.runs]
    if not possible:
        return Tunings((), found.refused)
    for each in (options.store, factory.store):
        each.prepare()
    address = storage or default_address(factory.store.root)
    try:
        records = search_in_processes(possible, address, factory, options.torch_state, jobs, show=show)
    except KeyboardInterrupt:
        records = records_in_store(possible, factory)
        return Tunings(tuple(records), found.refused, interrupted=True, unfinished=len(possible) - len(records))
    mirror_tunings(records, options, registry)
    return Tunings(tuple(records), found.refused, unfinished=len(possible) - len(records))
