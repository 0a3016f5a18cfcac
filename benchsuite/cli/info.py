"""``benchsuite info NAME``: describe one rule, track, suite, data set and so on, including published values."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsuite.cli.options import JsonOption, SpecsOption, complete_anything, output, print_json


def info(
    name: Annotated[str, typer.Argument(help="A name that `benchsuite list` shows.", autocompletion=complete_anything)],
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show everything about one rule, track, suite, study, data set, architecture, hardware or diagnostic."""
    from benchsuite.api.describing import info

    entries = info(name, specs=specs)
    if as_json:
        print_json(entries)
        return 0
    import yaml

    console = output()
    for kind, content in entries.items():
        console.print(f"[bold]{kind} {name}[/]")
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
        console.print(text, markup=False, soft_wrap=True)
    return 0
