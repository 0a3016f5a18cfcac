"""Export records from a store and import them into one, without loss."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchsuite.api.options import PathLike, Paths, as_paths, store_folder
from benchsuite.api.study_records import known_study_problems
from benchsuite.errors import EmptySelectionError, Problem, SpecError
from benchsuite.records.absolute_paths import without_paths as cut
from benchsuite.records.model import FINAL_STATUSES, RunRecord
from benchsuite.records.reading import BrokenRecord, read_document
from benchsuite.records.store import RecordStore, record_files
from benchsuite.records.transfer import Transfer, place_by_track, place_in_store, track_of, transfer


def export(
    out: PathLike,
    *,
    store: PathLike | None = None,
    tracks: str | list[str] | None = None,
    from_mlflow: str | None = None,
    replace: bool = False,
    without_paths: bool = False,
    finished: bool = False,
    tunings: bool = False,
) -> Transfer:
    """Copy a store's records into a folder for review: a folder per track, one file per run.

    Args:
        out: folder to write to; created if missing.
        store: folder that ``run`` writes to; ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not given.
        tracks: export runs of these tracks only; all records if not given.
        from_mlflow: export the records in this MLflow tracking store instead, whoever mirrored to it.
        replace: overwrite a different record of the same run; else it stays.
        without_paths: cut absolute paths in commands, reasons and tracebacks to the files' names.
        finished: leave out runs that were interrupted or crashed, which the next command continues or tries again.
        tunings: export the records of tunings instead of those of runs and studies, for a folder of their own.

    Returns:
        The files ``.written``, ``.unchanged``, in ``.conflicts`` and ``.refused``; ``.complete`` if all records
        are in the folder.

    Raises:
        EmptySelectionError: if there is no such record.
        SpecError: if records of tunings are asked of a tracking store, which has none.
        StoreError: if ``out`` cannot be written, or the tracking store cannot be read.

    Example:
        >>> import benchsuite as bs
        >>> results = bs.run("digits-fc", rules="backprop", seeds=1, tier="smoke")
        >>> exported = bs.export("out")
        >>> [path.parent.name for path in exported.written], exported.complete
        (['digits-fc'], True)

    """
    if from_mlflow is not None and tunings:
        raise SpecError([Problem("records of tunings are in stores alone; leave out from_mlflow", field="tunings")])
    if from_mlflow is None:
        own = RecordStore(store_folder(store))
        files = record_files(*([own.tunings_folder] if tunings else own.folders_of_records))
        return _export(files, [], str(own.root), Path(out), tracks, replace, without_paths, finished)
    from benchsuite.records.mlflow.gathering import gather_records
    from benchsuite.records.mlflow.uris import redact

    with TemporaryDirectory() as folder:
        files, refused = gather_records(from_mlflow, Path(folder))
        return _export(files, refused, redact(from_mlflow), Path(out), tracks, replace, without_paths, finished)


def _export(
    files: list[Path],
    refused: list[BrokenRecord],
    source: str,
    out: Path,
    tracks: str | list[str] | None,
    replace: bool,
    cut_paths: bool,
    finished: bool,
) -> Transfer:
    chosen = [tracks] if isinstance(tracks, str) else tracks
    if chosen:
        found = ((path, read_document(path)) for path in files)
        files = [p for p, record in found if not isinstance(record, BrokenRecord) and track_of(record) in chosen]
    if finished:
        files = [path for path in files if not _goes_on(path)]
    if not files and not refused:
        of = f" of {', '.join(chosen)}" if chosen else ""
        raise EmptySelectionError(f"no records{of} in {source}; `benchsuite run quickstart` makes some")
    change = cut if cut_paths else None
    done = transfer(files, place_by_track(out), replace=replace, change=change, check_study=known_study_problems)
    done.refused += refused
    return done


def _goes_on(path: Path) -> bool:
    """Return True for the record of a run that the next command continues."""
    record = read_document(path)
    return isinstance(record, RunRecord) and record.status not in FINAL_STATUSES


def import_records(sources: Paths, *, store: PathLike | None = None, replace: bool = False) -> Transfer:
    """Copy records into a store. Damaged or inconsistent records are refused; existing records stay.

    Args:
        sources: records, or folders of them.
        store: folder that ``run`` writes to; ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not given.
        replace: overwrite a different record of the same run.

    Returns:
        The files ``.written``, ``.unchanged``, in ``.conflicts`` and ``.refused``.

    Raises:
        EmptySelectionError: if there are no records.
        StoreError: if the store cannot be written.

    """
    paths = as_paths(sources)
    files = record_files(*paths)
    if not files:
        raise EmptySelectionError(f"no records in {', '.join(map(str, paths))}")
    own = RecordStore(store_folder(store))
    own.prepare()
    return transfer(files, place_in_store(own), replace=replace, check_study=known_study_problems)
