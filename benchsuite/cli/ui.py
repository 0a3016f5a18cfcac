"""``benchsuite ui``: show the store's runs in MLflow's pages."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsuite.cli.options import DEFAULT_STORE, StoreOption, TrackingOption, complete_track, print_message


def ui(
    store: StoreOption = DEFAULT_STORE,
    tracking_uri: TrackingOption = None,
    track: Annotated[
        str | None, typer.Option("--track", help="Open this track's page.", autocompletion=complete_track)
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 5000,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> int:
    """Show the runs in MLflow's own pages until Ctrl-C."""
    from benchsuite.api.mirror import serve_mlflow

    serve_mlflow(
        store=store,
        tracking_uri=tracking_uri,
        track=track,
        host=host,
        port=port,
        open_browser=not no_browser,
        ready=print_message,
    )
    return 0
