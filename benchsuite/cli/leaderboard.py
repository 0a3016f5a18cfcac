"""``benchsuite leaderboard build|serve``: build or serve the static page from a store's records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.exits import exits
from benchsuite.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    RecordsOption,
    SpecsOption,
    StoreOption,
    TrackingOption,
    messages,
    print_json,
    print_message,
    report_broken,
    show,
)
from benchsuite.cli.verbs import Verb, Verbs, examples
from benchsuite.process import garbage_kept

if TYPE_CHECKING:
    from benchsuite_leaderboard.site import BuildReport

app = typer.Typer(cls=Verbs, help="Build or serve the leaderboard page.", no_args_is_help=True)

AuditsOption = Annotated[
    list[Path] | None,
    typer.Option("--audits", help="A folder that `benchsuite audit --out` wrote; else `audits` beside the records."),
]
TimingsOption = Annotated[
    list[Path] | None,
    typer.Option("--timings", help="A folder that `benchsuite time` wrote; else `timing` beside the records."),
]
TuningsOption = Annotated[
    list[Path] | None,
    typer.Option("--tunings", help="A folder of tunings' records; else `tuning` beside the records."),
]
RemarksOption = Annotated[
    list[Path] | None,
    typer.Option("--remarks", help="A folder of remarks on rows, in YAML; else `remarks` beside the records."),
]
MlflowOption = Annotated[
    str | None,
    typer.Option(
        "--mlflow", metavar="ADDRESS", help="Address of a running MLflow UI; the pages of runs then link to it."
    ),
]
RepositoryOption = Annotated[
    str | None,
    typer.Option("--repository-url", metavar="ADDRESS", help="Address of your repository, for links and the citation."),
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Folder to write; `site` in the store if not given.")]


@app.command(
    "build",
    cls=Verb,
    epilog=examples(
        "benchsuite leaderboard build", "benchsuite leaderboard build --records leaderboard/records --out site"
    ),
)
@exits
def build(
    store: StoreOption = DEFAULT_STORE,
    records: RecordsOption = None,
    audits: AuditsOption = None,
    timings: TimingsOption = None,
    tunings: TuningsOption = None,
    remarks: RemarksOption = None,
    out: OutOption = None,
    specs: SpecsOption = None,
    mlflow: MlflowOption = None,
    tracking_uri: TrackingOption = None,
    repository_url: RepositoryOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Rebuild every page, not only those whose records changed.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Build the page from records. Works from file://, needs no network.

    Published values and claims that cannot be read are left out and named; the exit code is then 1.
    """
    report = _build(
        store, records, audits, timings, tunings, remarks, out, specs, mlflow, tracking_uri, repository_url, fresh=fresh
    )
    if as_json:
        _print_report(report)
    else:
        show([f"leaderboard page  {report.index}"])
    return 1 if report.left_out else 0


@app.command(
    "serve",
    cls=Verb,
    epilog=examples(
        "benchsuite leaderboard serve", "benchsuite leaderboard serve --records leaderboard/records --port 0"
    ),
)
@exits
def serve(
    store: StoreOption = DEFAULT_STORE,
    records: RecordsOption = None,
    audits: AuditsOption = None,
    timings: TimingsOption = None,
    tunings: TuningsOption = None,
    remarks: RemarksOption = None,
    out: OutOption = None,
    specs: SpecsOption = None,
    mlflow: MlflowOption = None,
    tracking_uri: TrackingOption = None,
    repository_url: RepositoryOption = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
) -> int:
    """Build the page and serve it on this machine until Ctrl-C."""
    from benchsuite.api.sites import serve_site

    report = _build(
        store, records, audits, timings, tunings, remarks, out, specs, mlflow, tracking_uri, repository_url, fresh=False
    )
    _print_report(report)
    serve_site(report.out, port=port, ready=_announce)
    return 0


@app.command(
    "figures",
    cls=Verb,
    epilog=examples(
        "benchsuite leaderboard figures site --out figures",
        "benchsuite leaderboard figures site --out figures --format pdf --match mnist",
    ),
)
@exits
def figures(
    site: Annotated[Path, typer.Argument(help="Folder of a site, as `leaderboard build` writes it.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="FORMAT", help="pdf, png or svg; may be given several times. [pdf and svg]"),
    ] = None,
    match: Annotated[str, typer.Option("--match", help="Draw only charts with this in their name.")] = "",
    as_json: JsonOption = False,
) -> int:
    """Draw a site's charts into files for papers: PDF, SVG or PNG, in black on white."""
    from benchsuite.api.figures import write_figures

    written = write_figures(site, out, formats=formats or ("pdf", "svg"), match=match)
    if as_json:
        print_json({"files": [str(path) for path in written]})
    else:
        show([f"{len(written)} file{'s' if len(written) > 1 else ''} in {out}"])
    return 0


def _announce(address: str) -> None:
    messages().print(f"leaderboard at {address} (Ctrl-C ends it)", markup=False)


def _build(
    store: Path,
    records: list[Path] | None,
    audits: list[Path] | None,
    timings: list[Path] | None,
    tunings: list[Path] | None,
    remarks: list[Path] | None,
    out: Path | None,
    specs: list[Path] | None,
    mlflow: str | None,
    tracking_uri: str | None,
    repository_url: str | None,
    *,
    fresh: bool,
) -> BuildReport:
    # All tables live to the end: looking at them again and again takes a fifth of a renewal's time.
    with garbage_kept():
        from benchsuite.api.sites import build_site

        report = build_site(
            records,
            out,
            store=store,
            audits=audits,
            timings=timings,
            tunings=tunings,
            remarks=remarks,
            specs=specs,
            mlflow=mlflow,
            tracking_uri=tracking_uri,
            repository_url=repository_url,
            fresh=fresh,
            warn=print_message,
        )
    report_broken(report.broken)
    return report


def _print_report(report: BuildReport) -> None:
    print_json(
        {
            "index": str(report.index),
            "records": report.records,
            "studies": report.studies,
            "broken": len(report.broken),
            "rebuilt": list(report.rebuilt),
        }
    )
