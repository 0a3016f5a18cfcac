"""``benchsuite leaderboard build|serve``: the static page from a store's records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.exits import exits
from benchsuite.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    SpecsOption,
    StoreOption,
    TrackingOption,
    messages,
    output,
    print_json,
)
from benchsuite.cli.sources import RecordsOption, report_broken

app = typer.Typer(help="Build or serve the leaderboard page.", no_args_is_help=True)

AuditsOption = Annotated[
    list[Path] | None,
    typer.Option("--audits", help="A folder that `benchsuite audit --out` wrote; may be given several times."),
]
MlflowOption = Annotated[
    str | None,
    typer.Option("--mlflow", metavar="ADDRESS", help="Where MLflow's pages are served; runs then link into them."),
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Folder to write; `site` in the store if not given.")]


@app.command("build")
@exits
def build(
    store: StoreOption = DEFAULT_STORE,
    records: RecordsOption = None,
    audits: AuditsOption = None,
    out: OutOption = None,
    specs: SpecsOption = None,
    mlflow: MlflowOption = None,
    tracking_uri: TrackingOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Build in full, not only what changed since last time.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Build the page from records. Works from file://, needs no network."""
    index = _build(store, records, audits, out, specs, mlflow, tracking_uri, fresh=fresh, quiet=as_json)
    if not as_json:
        output().print(f"leaderboard page  {index}", markup=False, soft_wrap=True)
    return 0


@app.command("serve")
@exits
def serve(
    store: StoreOption = DEFAULT_STORE,
    records: RecordsOption = None,
    audits: AuditsOption = None,
    out: OutOption = None,
    specs: SpecsOption = None,
    mlflow: MlflowOption = None,
    tracking_uri: TrackingOption = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
) -> int:
    """Build the page and serve it on this machine until Ctrl-C."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from benchsuite.errors import BenchsuiteError

    folder = _build(store, records, audits, out, specs, mlflow, tracking_uri, fresh=False, quiet=True).parent
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    except OSError as error:
        raise BenchsuiteError(f"cannot listen on port {port}: {error.strerror}; try --port 0") from error
    with server:
        messages().print(f"leaderboard at http://127.0.0.1:{server.server_address[1]}/ (Ctrl-C ends it)", markup=False)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def _build(
    store: Path,
    records: list[Path] | None,
    audits: list[Path] | None,
    out: Path | None,
    specs: list[Path] | None,
    mlflow: str | None,
    tracking_uri: str | None,
    *,
    fresh: bool,
    quiet: bool,
) -> Path:
    import os

    from benchsuite.cli.papers import papers_of
    from benchsuite.errors import EmptySelectionError
    from benchsuite.records.store import RecordStore, record_files
    from benchsuite_leaderboard.site import build_site

    own = RecordStore(store)
    folders = records or [own.records_folder, own.experiments_folder]
    if not any(record_files(folder) for folder in folders):
        places = ", ".join(str(f) for f in folders)
        raise EmptySelectionError(f"no records in {places}; `benchsuite run quickstart` makes some")
    report = build_site(
        folders,
        (out or store / "site").resolve(),
        audits=audits or (),
        papers=lambda cells: papers_of(cells, specs),
        mlflow=_mlflow(store, mlflow, tracking_uri),
        fresh=fresh,
        processes=os.cpu_count() or 1,
    )
    report_broken(report.broken)
    if quiet:
        print_json(
            {
                "index": str(report.index),
                "records": report.records,
                "experiments": report.studies,
                "broken": len(report.broken),
                "rebuilt": list(report.rebuilt),
            }
        )
    return report.index


def _mlflow(store: Path, address: str | None, tracking_uri: str | None) -> dict[str, str]:
    """Return the address of each run in MLflow; a store that is not there costs the links, not the site."""
    from benchsuite.records.mlflow.connection import MirrorError
    from benchsuite.records.mlflow.uris import default_tracking_uri

    if address is None or tracking_uri == "none":
        return {}
    from benchsuite.records.mlflow.links import mlflow_pages

    try:
        return mlflow_pages(tracking_uri or default_tracking_uri(store.resolve()), store, address)
    except MirrorError as error:
        messages().print(f"links into MLflow are left out: {error}", markup=False, soft_wrap=True)
        return {}
