"""``benchsuite new rule NAME``: create a distribution with a working rule and passing tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.exits import exits
from benchsuite.cli.options import JsonOption, output, print_json
from benchsuite.cli.verbs import Verb, Verbs, examples

app = typer.Typer(cls=Verbs, help="Create something of your own from a template.", no_args_is_help=True)


@app.callback()
def _new() -> None:
    pass


@app.command(
    "rule", cls=Verb, epilog=examples("benchsuite new rule my_rule", "benchsuite new rule my_rule --mechanism direct")
)
@exits
def rule(
    name: Annotated[str, typer.Argument(help="Name of the rule, such as my_rule.")],
    mechanism: Annotated[
        str,
        typer.Option(
            "--mechanism",
            "-m",
            help="How credit travels: feedback (backprop through other weights), direct (handed to each segment), "
            "targets (through inverses), phases (several passes) or energy (states that relax).",
        ),
    ] = "feedback",
    folder: Annotated[Path, typer.Option("--folder", help="Folder in which to create it.")] = Path(),
    as_json: JsonOption = False,
) -> int:
    """Write a small distribution with a working rule and its conformance tests."""
    from benchsuite.api.projects import install_command, new_rule, trial_track

    written = new_rule(name, folder, mechanism)
    if as_json:
        print_json({"files": [str(path) for path in written]})
        return 0
    console = output()
    for path in written:
        console.print(str(path), markup=False, soft_wrap=True)
    project = folder / name
    trial = f"benchsuite run {trial_track(mechanism)} --rules backprop,{name}"
    steps = (f"{install_command()} {project}", f"pytest {project}", trial)
    console.print("\nnext", *(f"  {step}" for step in steps), sep="\n", markup=False, soft_wrap=True)
    return 0
