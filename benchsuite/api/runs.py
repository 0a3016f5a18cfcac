"""Run a suite, a track or a study; ``benchsuite run`` calls the same function."""

from __future__ import annotations

from benchsuite.api.executors import ExecutorName, SlurmSettings, hardware_resolver
from benchsuite.api.options import PathLike, Paths, Rules, Seeds, Settings, Tier, make_selection
from benchsuite.api.progress import Progress, as_progress
from benchsuite.api.results import Results, results_of_session
from benchsuite.api.session_options import session_options
from benchsuite.api.sessions import make_runs
from benchsuite.api.studies import run_study
from benchsuite.api.tuned_settings import SettingsName, tuned_settings
from benchsuite.api.workspace import open_workspace
from benchsuite.specs.loading.resolve import resolve
from benchsuite.specs.loading.targets import find_target
from benchsuite.training.ranks import process_group


def run(
    target: PathLike,
    *,
    rules: Rules = None,
    seeds: Seeds = None,
    tier: Tier | None = None,
    settings: SettingsName = "published",
    set: Settings = None,
    hardware: PathLike = "auto",
    store: PathLike | None = None,
    data_root: PathLike | None = None,
    specs: Paths = None,
    tracking_uri: str | None = None,
    fresh: bool = False,
    executor: ExecutorName | None = None,
    jobs: int | None = None,
    slurm: SlurmSettings = None,
    progress: bool | Progress = False,
) -> Results:
    """Run a suite or a track (every rule with every seed), or a study.

    Everything is checked before the first run starts. Runs that are finished already are not made again, and
    interrupted ones continue where they stopped. A run that diverges or crashes is a result with that status, not an
    exception. Ctrl-C saves the state and returns the results so far, with ``interrupted`` set.

    Args:
        target: name of a suite, a track or a study, or path of such a YAML file.
        rules: names or patterns; the suite's own if not given, for a track all that are installed.
        seeds: number of seeds, or seed indices; the suite's own if not given, 5 for a track. All rules share network,
            data order and dropout at one seed index.
        tier: amount of work, ``"smoke"``, ``"quick"`` or ``"paper"``; the suite's own, or quick for a track.
        settings: ``"published"``, as the specs have them; or ``"tuned"``, as `benchsuite tune` has found them in this
            store: rows of their own, named like ``backprop, tuned (16 trials)``.
        set: fields to override, such as ``{"protocol.epochs": 5}``.
        hardware: name of a hardware spec, or path of one.
        store: folder of records, checkpoints and MLflow's mirror; ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not
            given.
        data_root: folder of data sets; ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        specs: folders of your own specs.
        tracking_uri: MLflow's store, ``"none"`` for no mirror; ``$BENCHSUITE_TRACKING_URI`` or SQLite in ``store`` if
            not given.
        fresh: start over, ignoring finished runs and checkpoints.
        executor: ``"local"``, here, each run in a process of its own; ``"inline"``, in this process, for debuggers;
            ``"ray"``, on a Ray cluster; or ``"slurm"``, as jobs of a SLURM cluster. ``$BENCHSUITE_EXECUTOR`` or local
            if not given.
        jobs: number of runs that executor ``"local"`` makes at the same time. If not given, as many as fit when each
            has its threads: one on a CPU for small steps, such as those of digits-fc, else torch's own number, or
            ``hardware.threads``. If given, runs with larger steps share torch's threads. With equal threads, the
            numbers are those of runs one after the other.
        slurm: options of sbatch for executor ``"slurm"``, such as ``{"partition": "gpu", "time": "4:00:00"}``, and
            ``parallel``, the number of jobs at the same time.
        progress: True for bars on stderr; or a ``Progress`` of your own.

    Returns:
        The results: ``.records``, ``.table()``, ``.to_frame()``, ``.refused``, ``.interrupted``.

    Raises:
        SpecError: if a name or a value is wrong; all problems are listed, nothing was run.
        EmptySelectionError: if no rule matches.
        DataError: if a data set is missing or damaged.
        HardwareError: if the hardware is not here.
        StoreError: if records cannot be written.

    Example:
        >>> import benchsuite as bs
        >>> results = bs.run("digits-fc", rules=["backprop", "feedback_alignment"], seeds=2, tier="smoke")
        >>> results
        <Results: 4 runs>
        >>> [record.status for record in results.records]
        ['completed', 'completed', 'completed', 'completed']
        >>> bs.run("digits-fc", rules="backprop", seeds=[1], tier="smoke")
        <Results: 1 run, 1 found from earlier>

    """
    options = session_options(store, data_root, tracking_uri, fresh, executor, jobs, slurm)
    workspace = open_workspace(specs, target)
    selection = make_selection(target, rules, seeds, tier, set, hardware)
    found = find_target(selection.target, workspace.library)
    if found.kind == "studies":
        return run_study(selection, found, workspace, options, as_progress(progress))
    resolver = hardware_resolver(options.executor, options.slurm)
    find_tuned = tuned_settings(store) if settings == "tuned" else None
    runs = resolve(selection, workspace.library, workspace.registry, resolver, found, find_tuned)
    with process_group() as ranks:
        made = make_runs(runs, workspace.registry, options, ranks, as_progress(progress))
        if made.interrupted:
            ranks.abort()
    return results_of_session(made, runs, options.store, workspace, ranks.is_rank0)
