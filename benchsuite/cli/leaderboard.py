"""``benchsuite leaderboard build|serve``: the static page from a store's records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.exits import exits
from benchsuite.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    SpecsOption,
    StoreOption,
    library,
    messages,
    output,
    print_json,
)

if TYPE_CHECKING:
    from benchsuite.record.model import RunRecord
    from benchsuite.spec.base import Tier
    from benchsuite.spec.claims import ClaimCases
    from benchsuite.spec.published import PublishedError

app = typer.Typer(help="Build or serve the leaderboard page.", no_args_is_help=True)

RecordsOption = Annotated[
    list[Path] | None,
    typer.Option("--records", help="A folder of records to use instead of the store's; may be given several times."),
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Folder to write; `site` in the store if not given.")]


@app.command("build")
@exits
def build(
    store: StoreOption = DEFAULT_STORE,
    records: RecordsOption = None,
    out: OutOption = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Build the page from records. Works from file://, needs no network."""
    index = _build(store, records, out, specs, as_json)
    if not as_json:
        output().print(f"leaderboard page  {index}", markup=False, soft_wrap=True)
    return 0


@app.command("serve")
@exits
def serve(
    store: StoreOption = DEFAULT_STORE,
    records: RecordsOption = None,
    out: OutOption = None,
    specs: SpecsOption = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
) -> int:
    """Build the page and serve it on this machine until Ctrl-C."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from benchsuite.errors import BenchsuiteError

    folder = _build(store, records, out, specs, quiet=True).parent
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


def _published(cells: set[tuple[str, Tier]], specs: list[Path] | None) -> list[PublishedError]:
    """Return what is published of tracks and tiers with records; a wrong spec costs that column, not the page."""
    from benchsuite.errors import SpecError
    from benchsuite.registry.manager import installed_registry
    from benchsuite.spec.published import published_errors

    registry = installed_registry()
    found = library(specs, plugin_folders=[folder for folder, _ in registry.spec_folders])
    try:
        return list(published_errors(found, registry, lambda track, tier: (track, tier) in cells))
    except SpecError as error:
        messages().print(f"published values are left out: {error}", markup=False, soft_wrap=True)
        return []


def _claims(records: list[RunRecord], specs: list[Path] | None) -> list[ClaimCases]:
    """Return the papers' claims; a wrong spec costs their page, not the site."""
    from benchsuite.cli.claims import laid_out_claims
    from benchsuite.errors import SpecError

    try:
        return laid_out_claims(records, specs)
    except SpecError as error:
        messages().print(f"claims are left out: {error}", markup=False, soft_wrap=True)
        return []


def _build(store: Path, records: list[Path] | None, out: Path | None, specs: list[Path] | None, quiet: bool) -> Path:
    from itertools import chain

    from benchsuite.errors import EmptySelectionError
    from benchsuite.record.model import RunRecord
    from benchsuite.record.store import RecordStore, read_experiments, read_folder
    from benchsuite_leaderboard.site import build_site

    own = RecordStore(store)
    folders = records or [own.records_folder, own.experiments_folder]
    found = list(chain.from_iterable(read_folder(folder) for folder in folders))
    experiments = list(chain.from_iterable(read_experiments(folder) for folder in folders))
    if not found and not experiments:
        places = ", ".join(str(f) for f in folders)
        raise EmptySelectionError(f"no records in {places}; `benchsuite run quickstart` makes some")
    good = [record for record in found if isinstance(record, RunRecord)]
    cells = {(record.spec.track, record.spec.tier) for record in good}
    report = build_site(
        found, (out or store / "site").resolve(), experiments=experiments, published=_published(cells, specs),
        claims=_claims(good, specs),
    )  # fmt: skip
    for broken in report.broken:
        messages().print(f"left out: {broken.path}: {broken.reason}", markup=False, soft_wrap=True)
    if quiet:
        print_json({
            "index": str(report.index), "records": report.records, "experiments": report.experiments,
            "broken": len(report.broken),
        })  # fmt: skip
    return report.index
