"""Build and serve the leaderboard site from folders of records."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchsuite.api.options import PathLike, Paths, as_paths, named_tracking_uri, store_folder
from benchsuite.api.papers import papers_of
from benchsuite.api.study_records import summarize_study
from benchsuite.api.workspace import Workspace, open_on_paper
from benchsuite.errors import BenchsuiteError, EmptySelectionError
from benchsuite.papers.statements import Cells, Papers
from benchsuite.records.store import (
    RecordStore,
    audit_folders,
    each_record_file,
    remark_folders,
    timing_folders,
    tuning_folders,
)
from benchsuite_leaderboard import site
from benchsuite_leaderboard.site import BuildReport

Warn = Callable[[str], None]
"""Called with a message about anything left out of a site."""


def build_site(
    records: Paths = None,
    out: PathLike | None = None,
    *,
    store: PathLike | None = None,
    audits: Paths = None,
    timings: Paths = None,
    tunings: Paths = None,
    remarks: Paths = None,
    specs: Paths = None,
    mlflow: str | None = None,
    tracking_uri: str | None = None,
    repository_url: str | None = None,
    fresh: bool = False,
    warn: Warn = warnings.warn,
) -> BuildReport:
    """Build or renew the leaderboard site: static pages that need no server and no network.

    Args:
        records: folders of records; the store's own if not given.
        out: folder to write, new, empty or of an earlier build; ``site`` in the store if not given.
        store: folder that ``run`` writes to; ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not given.
        audits: folders written by ``audit_rules``, for the pages of rules; ``audits`` beside the folders of records if
            not given.
        timings: folders of timings; those beside the folders of records if not given.
        tunings: folders of records of tunings; those beside the folders of records if not given.
        remarks: folders of remarks on rows, in YAML; ``remarks`` beside the folders of records if not given.
        specs: folders of your own specs.
        mlflow: address where MLflow's pages are served, such as ``http://127.0.0.1:5000``; runs then link into them.
        tracking_uri: MLflow's store that those pages show; SQLite in the store if not given.
        repository_url: https address of your repository, for links and the citation; the package's own if not given.
        fresh: build in full, not only what changed since the last build.
        warn: called with a message about anything left out; ``warnings.warn`` if not given.

    Returns:
        A report: ``.index`` is the page to open, ``.broken`` the files that hold no usable record, ``.left_out``
        messages about published values and claims that could not be read.

    Raises:
        BenchsuiteError: if ``repository_url`` is no https address.
        EmptySelectionError: if there are no records.
        StoreError: if ``out`` is not ours to write to, or cannot be written.

    Example:
        >>> import benchsuite as bs
        >>> results = bs.run("digits-fc", rules="backprop", seeds=2, tier="smoke")
        >>> report = bs.build_site(out="site")
        >>> report.records, report.index.as_posix().endswith("site/index.html")
        (2, True)

    """
    root = store_folder(store)
    own = RecordStore(root)
    folders = as_paths(records) or own.folders_of_records
    of_tunings = as_paths(tunings) or tuning_folders(folders)
    if not any(each_record_file(*folders, *of_tunings)):  # at the first one: there may be ten thousand
        places = ", ".join(str(f) for f in as_paths(records) or [own.records_folder, own.studies_folder])
        raise EmptySelectionError(f"no records in {places}; `benchsuite run quickstart` makes some")
    left_out: list[str] = []

    def leave_out(message: str) -> None:
        left_out.append(message)
        warn(message)

    report = site.build_site(
        folders,
        Path(out or root / "site").resolve(),
        audits=as_paths(audits) or audit_folders(folders),
        timings=as_paths(timings) or timing_folders(folders),
        tunings=of_tunings,
        remarks=as_paths(remarks) or remark_folders(folders),
        papers=lambda cells: _papers_on_paper(cells, specs, leave_out),
        summarize=summarize_study,
        mlflow=_mlflow_pages(root, mlflow, named_tracking_uri(tracking_uri), warn),
        repository_url=repository_url or "",
        fresh=fresh,
        processes=os.cpu_count() or 1,
    )
    return replace(report, left_out=tuple(left_out))


def build_store_site(store: RecordStore, workspace: Workspace | None = None, warn: Warn = warnings.warn) -> BuildReport:
    """Build or renew a store's own page, with papers' values and claims for its tracks.

    Raises:
        StoreError: if its folder cannot be written, or holds something else.

    """
    return site.build_site(
        store.folders_of_records,
        store.root / "site",
        audits=audit_folders(store.folders_of_records),
        timings=timing_folders(store.folders_of_records),
        tunings=tuning_folders(store.folders_of_records),
        remarks=remark_folders(store.folders_of_records),
        papers=lambda cells: (
            papers_of(cells, workspace.registry, workspace.library, warn)
            if workspace
            else _papers_on_paper(cells, None, warn)
        ),
        summarize=summarize_study,
        processes=os.cpu_count() or 1,
    )


def serve_site(folder: PathLike, *, port: int = 8000, ready: Callable[[str], None] = print) -> None:
    """Serve a site on this machine until Ctrl-C.

    Args:
        folder: folder of the site.
        port: port to listen on; 0 takes a free one.
        ready: called with the address once the server answers.

    Raises:
        BenchsuiteError: if the port is taken.

    """
    from benchsuite.api.site_server import make_server

    try:
        server = make_server(Path(folder), port)
    except OSError as error:
        raise BenchsuiteError(f"cannot listen on port {port}: {error.strerror}; try --port 0") from error
    with server:
        ready(f"http://127.0.0.1:{server.server_address[1]}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _papers_on_paper(cells: Cells, specs: Paths, warn: Warn) -> Papers:
    """Return what papers say, from the stored catalogue of plugins: a site needs no torch."""
    catalogue, library = open_on_paper(specs)
    found = papers_of(cells, catalogue, library, warn)
    catalogue.store()
    return found


def _mlflow_pages(store: Path, address: str | None, tracking_uri: str | None, warn: Warn) -> dict[str, str]:
    """Return the address of each run in MLflow; without a tracking store the site has no such links."""
    if address is None or tracking_uri == "none":
        return {}
    from benchsuite.errors import MirrorError
    from benchsuite.records.mlflow.links import mlflow_pages
    from benchsuite.records.mlflow.uris import default_tracking_uri

    try:
        return mlflow_pages(tracking_uri or default_tracking_uri(store.resolve()), store, address)
    except MirrorError as error:
        warn(f"links into MLflow are left out: {error}")
        return {}
