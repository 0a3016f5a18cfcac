"""``benchsuite export`` and ``benchsuite import``: records out of a store and into one, without loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.options import DEFAULT_STORE, JsonOption, StoreOption, messages, output, print_json

if TYPE_CHECKING:
    from benchsuite.records.reading import BrokenRecord
    from benchsuite.records.transfer import Transfer

ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Put a different record in the place of one that is there.")
]


def export(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to: a folder a track, and one of experiments.")],
    store: StoreOption = DEFAULT_STORE,
    tracks: Annotated[
        list[str] | None, typer.Option("--track", help="Only runs of this track; may be given several times.")
    ] = None,
    from_mlflow: Annotated[
        str | None,
        typer.Option(
            "--from-mlflow",
            metavar="URI",
            help="Take what MLflow's tracking store has instead, whoever mirrored to it.",
        ),
    ] = None,
    replace: ReplaceOption = False,
    as_json: JsonOption = False,
) -> int:
    """Copy a store's records into a folder for review, one file a run. A different record there is left as it is."""
    from tempfile import TemporaryDirectory

    if from_mlflow is None:
        return _export(_files_of(store), str(store), [], out, tracks, replace, as_json)
    from benchsuite.records.mlflow.gathering import gather_records
    from benchsuite.records.mlflow.uris import redact

    with TemporaryDirectory() as folder:
        files, refused = gather_records(from_mlflow, Path(folder))
        return _export(files, redact(from_mlflow), refused, out, tracks, replace, as_json)


def _files_of(store: Path) -> list[Path]:
    from benchsuite.records.store import RecordStore, record_files

    own = RecordStore(store)
    return record_files(own.records_folder, own.experiments_folder)


def _export(
    files: list[Path],
    source: str,
    refused: list[BrokenRecord],
    out: Path,
    tracks: list[str] | None,
    replace: bool,
    as_json: bool,
) -> int:
    from benchsuite.errors import EmptySelectionError
    from benchsuite.records.model import RunRecord
    from benchsuite.records.reading import read_document
    from benchsuite.records.transfer import place_by_track, transfer

    if tracks:
        found = ((path, read_document(path)) for path in files)
        files = [path for path, record in found if isinstance(record, RunRecord) and record.spec.track in tracks]
    if not files and not refused:
        of = f" of {', '.join(tracks)}" if tracks else ""
        raise EmptySelectionError(f"no records{of} in {source}; `benchsuite run quickstart` makes some")
    done = transfer(files, place_by_track(out), replace=replace)
    done.refused += refused
    return _tell(done, out, as_json)


def import_(
    sources: Annotated[list[Path], typer.Argument(help="Records, or folders of them.", show_default=False)],
    store: StoreOption = DEFAULT_STORE,
    replace: ReplaceOption = False,
    as_json: JsonOption = False,
) -> int:
    """Copy records into a store. What is damaged or contradicts itself is refused, and what is there already stays."""
    from benchsuite.errors import EmptySelectionError
    from benchsuite.records.store import RecordStore, record_files
    from benchsuite.records.transfer import place_in_store, transfer

    files = record_files(*sources)
    if not files:
        raise EmptySelectionError(f"no records in {', '.join(map(str, sources))}")
    own = RecordStore(store)
    own.prepare()
    return _tell(transfer(files, place_in_store(own), replace=replace), store, as_json)


def _tell(done: Transfer, target: Path, as_json: bool) -> int:
    if as_json:
        print_json(
            {
                "written": [str(p) for p in done.written],
                "unchanged": [str(p) for p in done.unchanged],
                "conflicts": [str(p) for p in done.conflicts],
                "refused": [{"file": str(b.path), "reason": b.reason} for b in done.refused],
            }
        )
        return 0 if done.complete else 1
    for path in done.conflicts:
        messages().print(
            f"not overwritten: {path} holds a different record; --replace puts the new one in its place",
            markup=False,
            soft_wrap=True,
        )
    for broken in done.refused:
        messages().print(f"refused: {broken.path}: {broken.reason}", markup=False, soft_wrap=True)
    counts = f"{len(done.written)} written, {len(done.unchanged)} there already"
    output().print(f"{target}: {counts}", markup=False, soft_wrap=True)
    return 0 if done.complete else 1
