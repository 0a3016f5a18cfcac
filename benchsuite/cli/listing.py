"""``benchsuite list``: list rules, tracks, other specs, diagnostics and plugins."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsuite.api.names import Section
from benchsuite.cli.exits import EXIT_NOTHING
from benchsuite.cli.options import JsonOption, SpecsOption, print_json, print_message, show


def list_(
    section: Annotated[Section | None, typer.Argument(help="Kind of things to list; all kinds if not given.")] = None,
    match: Annotated[
        str | None,
        typer.Option("--match", "-m", help="Only what has this text in name or summary, or a name like mnist-*."),
    ] = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """List rules, tracks, suites, studies, specs, published values, claims, diagnostics and plugins."""
    from benchsuite.api.listing import SECTIONS, list_all

    found = list_all(specs, [section] if section else SECTIONS)
    if match:
        found = found.matching(match)
    if as_json:
        print_json(found.as_data())
    else:
        show(found.parts())
    if match and not any(found.sections.values()):
        print_message(f"nothing fits '{match}'")
        return EXIT_NOTHING
    return 0
