"""``benchsuite validate FILE…``: report every problem of spec files, with line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.options import JsonOption, SpecsOption, print_json, print_message, show


def validate(
    files: Annotated[list[Path], typer.Argument(help="Spec files.", show_default=False)],
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check spec files: fields, values, references, tiers and rule settings. Exit code 1 if there is any problem."""
    from benchsuite.api.validation import validate, warnings

    found = validate(files, specs=specs)
    for of_file in warnings([Path(file) for file, problems in found.items() if not problems], specs=specs).values():
        for warning in of_file:
            print_message(f"warning: {warning}")
    if as_json:
        print_json(
            {
                file: [
                    {"file": p.file, "line": p.line, "column": p.column, "field": p.field, "message": p.message}
                    for p in problems
                ]
                for file, problems in found.items()
            }
        )
        return 1 if any(found.values()) else 0
    for file, problems in found.items():
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        show([f"{file}: {count if problems else 'right'}", *(f"  {problem}" for problem in problems)])
    return 1 if any(found.values()) else 0
