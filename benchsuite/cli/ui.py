"""``benchsuite ui``: MLflow's pages on the store in use."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsuite.cli.options import DEFAULT_STORE, StoreOption, TrackingOption, messages


def ui(
    store: StoreOption = DEFAULT_STORE,
    tracking_uri: TrackingOption = None,
    track: Annotated[str | None, typer.Option("--track", help="Open this track's page.")] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 5000,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> int:
    """Show the runs in MLflow's own pages until Ctrl-C."""
    from benchsuite.records.mlflow.ui import serve_ui
    from benchsuite.records.mlflow.uris import default_artifact_root, default_tracking_uri

    root = store.resolve()
    uri = default_tracking_uri(root) if tracking_uri in {None, "none"} else str(tracking_uri)
    if tracking_uri is None and not (root / "mlflow.db").exists():
        from benchsuite.errors import EmptySelectionError

        raise EmptySelectionError(f"no MLflow mirror in {root}; `benchsuite sync` makes one from the records")

    def tell(text: str) -> None:
        messages().print(text, markup=False, soft_wrap=True)

    serve_ui(uri, default_artifact_root(root), host, port, track=track, open_browser=not no_browser, tell=tell)
    return 0
