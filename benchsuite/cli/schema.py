"""``benchsuite schema``: print the JSON Schema of every spec, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.api.names import SchemaName
from benchsuite.cli.options import print_json, show


def schema(
    name: Annotated[SchemaName | None, typer.Argument(help="Schema to print; all in one object if not given.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write one file per schema into this folder instead of printing.")
    ] = None,
) -> int:
    """Print the JSON Schema of specs and records, as editors use it to complete and check YAML."""
    from benchsuite.api.schemas import schemas, write_schemas

    if out is None:
        found = schemas()
        print_json(found[name] if name else found)
        return 0
    for path in write_schemas(out, [name] if name else None):
        show([str(path)])
    return 0
