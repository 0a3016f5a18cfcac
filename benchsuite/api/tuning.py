"""Tune rules on tracks: the same number of trials for each, on validation examples; ``benchsuite tune`` calls this."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.api.display import Displayed, Part, counted
from benchsuite.api.options import PathLike, Paths, Rules, Settings, Tier, make_selection, require_a_job
from benchsuite.api.session_options import session_options
from benchsuite.api.tables import tuning_table
from benchsuite.api.workspace import open_workspace
from benchsuite.execution.planned_run import RefusedPair
from benchsuite.records.tuning import TuningRecord
from benchsuite.specs.loading.resolve import Selection
from benchsuite.specs.loading.resolve_tuning import SelectedTuning, resolve_tunings
from benchsuite.training.device import resolve_hardware


@dataclass(frozen=True, repr=False)
class Tunings(Displayed):
    """Result of ``tune``.

    Attributes:
        records: one per tuning whose trials all have a result.
        refused: pairs of rule and network that cannot work.
        interrupted: True if trials are left; the same command goes on.
        unfinished: number of tunings without a record.

    """

    records: tuple[TuningRecord, ...]
    refused: tuple[RefusedPair, ...] = ()
    interrupted: bool = False
    unfinished: int = 0

    @property
    def failed(self) -> int:
        """Number of trials that crashed or ran out of memory; the same command tries them again."""
        return sum(t.status in {"crashed", "out_of_memory"} for record in self.records for t in record.trials)

    def __repr__(self) -> str:
        """Return the counts in one line."""
        return f"<Tunings: {counted(len(self.records), 'record')}, {self.unfinished} unfinished>"

    def parts(self) -> Sequence[Part]:
        """Return a table with the best trial of each tuning, and a line for each refused pair."""
        table = tuning_table(self.records)
        return [*([table] if self.records else []), *map(str, self.refused)]

    def as_data(self) -> list[dict[str, Any]]:
        """Return the records as plain data, as ``benchsuite tune --json`` prints them."""
        return [record.model_dump(mode="json") for record in self.records]


def tune(
    target: PathLike,
    *,
    rules: Rules = None,
    tier: Tier | None = None,
    trials: int | None = None,
    jobs: int = 1,
    storage: str | None = None,
    set: Settings = None,
    hardware: PathLike = "auto",
    store: PathLike | None = None,
    data_root: PathLike | None = None,
    specs: Paths = None,
    tracking_uri: str | None = None,
    progress: bool = False,
) -> Tunings:
    """Tune every rule of a suite or a track with the same number of trials, on validation examples.

    Trials train on the training examples that the data set's ``validation`` leaves; the test set is never read. Their
    settings are a fixed quasi-random sequence, so any number of processes, on any number of machines, makes the same
    trials. Trials that are made are not made again, and interrupted ones continue. Divergence is a result.

    Args:
        target: name of a suite or a track, or path of such a YAML file.
        rules: names or patterns; the suite's own if not given, for a track all that are installed.
        tier: amount of work, ``"smoke"``, ``"quick"`` or ``"paper"``; the suite's own, or quick for a track.
        trials: trials per rule; the track's budget (``tuning.trials``) if not given.
        jobs: processes that make trials at the same time. Give each its share of the cores with
            ``set={"hardware.threads": 1}``.
        storage: Optuna's storage of trials: ``"sqlite:///FILE"``, ``"journal:FILE"`` or a database's URL; SQLite in
            ``store`` if not given, or a journal if the file system has no locks.
        set: fields to override, such as ``{"protocol.batch_size": 64}``.
        hardware: name of a hardware spec, or path of one.
        store: folder of records; ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not given.
        data_root: folder of data sets; ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        specs: folders of your own specs.
        tracking_uri: MLflow's store, to which complete tunings are mirrored; ``$BENCHSUITE_TRACKING_URI`` or SQLite in
            the store if not given; ``"none"`` for no mirror.
        progress: True for a line on stderr per trial.

    Returns:
        The tunings: ``.records``, ``.table()``, ``.refused``, ``.interrupted``.

    Raises:
        SpecError: if a name or a value is wrong, or no data set has validation examples; nothing was run.
        EmptySelectionError: if no rule matches.
        DataError: if the data of no track can be had; of several tracks, those without are left out with a warning.
        StoreError: if records cannot be written, or the storage cannot be opened.

    Example:
        >>> import benchsuite as bs
        >>> tuned = bs.tune("digits-fc", rules="backprop", tier="smoke", trials=2)
        >>> [trial.number for trial in tuned.records[0].trials]
        [0, 1]

    """
    require_a_job(jobs)
    options = session_options(store, data_root, tracking_uri, False, "local")
    workspace = open_workspace(specs, target)
    selection = make_selection(target, rules, None, tier, set, hardware)
    tunings = resolve_tunings(selection, workspace.library, workspace.registry, resolve_hardware, trials)
    from benchsuite.api.tuning_session import make_tunings  # it imports this module

    commands = [_command(selection, tuning) for tuning in tunings]
    return make_tunings(tunings, commands, options, workspace.registry, storage, jobs, show=progress)


def _command(selection: Selection, tuning: SelectedTuning) -> str:
    run, is_file = tuning.spec.run, bool(Path(selection.target).suffix)
    words = ["benchsuite", "tune", selection.target if is_file else run.track, "--rules", tuning.row]
    words += ["--tier", run.tier, "--trials", str(tuning.spec.budget.trials)]
    if selection.hardware != "auto":
        words += ["--hardware", selection.hardware]
    for override in selection.overrides:
        words += ["--set", override]
    return shlex.join(words)
