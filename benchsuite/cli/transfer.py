"""``benchsuite export`` and ``benchsuite import``: copy records out of a store and into one, without loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    complete_track,
    print_json,
    print_message,
    show,
)

if TYPE_CHECKING:
    from benchsuite.records.transfer import Transfer

ReplaceOption = Annotated[bool, typer.Option("--replace", help="Overwrite a record that is there and differs.")]


def export(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to: one per track, and one of studies.")],
    store: StoreOption = DEFAULT_STORE,
    tracks: Annotated[
        list[str] | None,
        typer.Option(
            "--track", help="Only runs of this track; may be given several times.", autocompletion=complete_track
        ),
    ] = None,
    from_mlflow: Annotated[
        str | None,
        typer.Option(
            "--from-mlflow",
            metavar="URI",
            help="Export from MLflow's tracking store instead, whichever machine mirrored there.",
        ),
    ] = None,
    replace: ReplaceOption = False,
    without_paths: Annotated[
        bool,
        typer.Option("--without-paths", help="Cut absolute paths in commands, reasons and tracebacks to file names."),
    ] = False,
    finished: Annotated[
        bool, typer.Option("--finished", help="Leave out runs that were interrupted or crashed and may go on.")
    ] = False,
    tunings: Annotated[
        bool, typer.Option("--tunings", help="Export the records of tunings instead, for a folder of their own.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Copy a store's records into a folder for review, one file per run. A different record there is left as it is."""
    from benchsuite.api.transfers import export

    done = export(
        out,
        store=store,
        tracks=tracks,
        from_mlflow=from_mlflow,
        replace=replace,
        without_paths=without_paths,
        finished=finished,
        tunings=tunings,
    )
    return _report(done, out, as_json)


def import_(
    sources: Annotated[list[Path], typer.Argument(help="Records, or folders of them.", show_default=False)],
    store: StoreOption = DEFAULT_STORE,
    replace: ReplaceOption = False,
    as_json: JsonOption = False,
) -> int:
    """Copy records into a store. What is damaged or contradicts itself is refused, and what is there already stays."""
    from benchsuite.api.transfers import import_records

    return _report(import_records(sources, store=store, replace=replace), store, as_json)


def _report(done: Transfer, target: Path, as_json: bool) -> int:
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
        print_message(f"not overwritten: {path} holds a different record; --replace overwrites it")
    for broken in done.refused:
        print_message(f"refused: {broken.path}: {broken.reason}")
    show([f"{target}: {len(done.written)} written, {len(done.unchanged)} there already"])
    return 0 if done.complete else 1
