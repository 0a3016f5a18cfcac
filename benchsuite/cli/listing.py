"""``benchsuite list``: list rules, tracks, other specs, diagnostics and plugins."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsuite.api.names import Section
from benchsuite.cli.options import JsonOption, SpecsOption, print_json, show


def list_(
    section: Annotated[Section | None, typer.Argument(help="Kind of things to list; all kinds if not given.")] = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """List rules, tracks, suites, studies, specs, published values, claims, diagnostics and plugins."""
    from benchsuite.api.listing import SECTIONS, list_all

    found = list_all(specs, [section] if section else SECTIONS)
    if as_json:
        print_json(found.as_data())
    else:
        show(found.parts())
    return 0
