"""``benchsuite validate FILE…``: every problem of spec files, with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.options import JsonOption, SpecsOption, library, output, print_json


def validate(
    files: Annotated[list[Path], typer.Argument(help="Spec files.", show_default=False)],
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check spec files: fields, values, references, tiers and rule settings. Exit code 1 if there is any problem."""
    from benchsuite.registry.manager import installed_registry
    from benchsuite.specs.loading.check_file import check_file

    registry = installed_registry()
    folders = [folder for folder, _ in registry.spec_folders]
    found = {str(file): check_file(file, library(specs, str(file), folders), registry) for file in files}
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
    console = output()
    for file, problems in found.items():
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        console.print(f"{file}: {count if problems else 'right'}", markup=False, soft_wrap=True)
        for problem in problems:
            console.print(f"  {problem}", markup=False, soft_wrap=True)
    return 1 if any(found.values()) else 0
