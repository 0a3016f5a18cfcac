"""Options of a session of runs, with the defaults filled in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchsuite.api.executors import ExecutorName, SlurmSettings, chosen_executor, require_jobs, slurm_options
from benchsuite.api.options import PathLike, named_tracking_uri, store_folder
from benchsuite.data.roots import find_data_root
from benchsuite.execution.slurm.options import SlurmOptions
from benchsuite.execution.workers.isolation import TorchState, until_forked
from benchsuite.records.mlflow.connection import prepare_environment
from benchsuite.records.mlflow.uris import default_tracking_uri
from benchsuite.records.store import RecordStore


@dataclass(frozen=True)
class SessionOptions:
    """Options of a session of runs: how they are made and where their records go.

    Attributes:
        store: folder of records, checkpoints and MLflow's mirror.
        data_root: folder of data sets.
        tracking_uri: address of MLflow's store; None for no mirror.
        fresh: ignore finished runs and checkpoints.
        executor: place where runs are made, ``"local"``, ``"inline"``, ``"ray"`` or ``"slurm"``.
        jobs: number of runs that are made here at the same time; None for as many as pay.
        torch_state: torch's global settings before plugins are loaded.
        preparing: those until all checks are done.
        slurm: options of SLURM jobs.

    """

    store: RecordStore
    data_root: Path
    tracking_uri: str | None
    fresh: bool
    executor: ExecutorName
    jobs: int | None
    torch_state: TorchState
    preparing: TorchState
    slurm: SlurmOptions


def session_options(
    store: PathLike | None,
    data_root: PathLike | None,
    tracking_uri: str | None,
    fresh: bool,
    executor: ExecutorName | None,
    jobs: int | None = None,
    slurm: SlurmSettings = None,
) -> SessionOptions:
    """Return the options with their defaults filled in. Call it before plugins are loaded.

    Args:
        store: ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not given.
        data_root: ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        tracking_uri: ``$BENCHSUITE_TRACKING_URI`` or SQLite in the store if not given; ``"none"`` for no mirror.
        fresh: ignore finished runs and checkpoints.
        executor: where runs are made; ``$BENCHSUITE_EXECUTOR`` or ``"local"`` if not given.
        jobs: number of runs at the same time; as many as pay if not given.
        slurm: options of SLURM jobs.

    Raises:
        SpecError: if there is no such executor, it does not make so many runs at the same time here, or an option of
            SLURM jobs is wrong.

    """
    # Before any plugin can import MLflow, which reads its telemetry setting on import.
    prepare_environment()
    records = RecordStore(store_folder(store).resolve())
    uri = named_tracking_uri(tracking_uri) or default_tracking_uri(records.root)
    root = find_data_root(None if data_root is None else Path(data_root))
    chosen = chosen_executor(executor)
    require_jobs(1 if jobs is None else jobs, chosen)
    jobs_of_slurm = slurm_options(slurm, chosen)
    state = TorchState.read()
    preparing = until_forked(state) if chosen == "local" else state
    preparing.apply()
    return SessionOptions(
        records, root, None if uri == "none" else uri, fresh, chosen, jobs, state, preparing, jobs_of_slurm
    )
