"""``benchsuite new KIND NAME``: create something that works, with passing tests, for its author to change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.exits import exits
from benchsuite.cli.options import JsonOption, output, print_json
from benchsuite.cli.verbs import Verb, Verbs, examples

if TYPE_CHECKING:
    from benchsuite.api.projects import Made

app = typer.Typer(cls=Verbs, help="Create something of your own from a template.", no_args_is_help=True)

ProjectFolder = Annotated[Path, typer.Option("--folder", help="Folder in which to create it.")]
SpecsFolder = Annotated[Path, typer.Option("--folder", help="Folder of your specs.")]


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
    folder: ProjectFolder = Path(),
    as_json: JsonOption = False,
) -> int:
    """Write a small distribution with a working rule and its conformance tests."""
    from benchsuite.api.projects import make_rule

    return _show(make_rule(name, folder, mechanism), as_json)


@app.command(
    "dataset",
    cls=Verb,
    epilog=examples("benchsuite new dataset my_data", "benchsuite new dataset my_data --folder projects"),
)
@exits
def dataset(
    name: Annotated[str, typer.Argument(help="Name of the data set, such as my_data.")],
    folder: ProjectFolder = Path(),
    as_json: JsonOption = False,
) -> int:
    """Write a small distribution with a data set that is read by your code, a track on it, and tests."""
    return _contribution("dataset", name, folder, as_json)


@app.command(
    "architecture",
    cls=Verb,
    epilog=examples(
        "benchsuite new architecture my_network", "benchsuite new architecture my_network --folder projects"
    ),
)
@exits
def architecture(
    name: Annotated[str, typer.Argument(help="Name of the architecture, such as my_network.")],
    folder: ProjectFolder = Path(),
    as_json: JsonOption = False,
) -> int:
    """Write a small distribution with a network that your code builds, a track with it, and tests."""
    return _contribution("architecture", name, folder, as_json)


@app.command(
    "diagnostic",
    cls=Verb,
    epilog=examples(
        "benchsuite new diagnostic my_angle_deg", "benchsuite new diagnostic my_angle_deg --folder projects"
    ),
)
@exits
def diagnostic(
    name: Annotated[str, typer.Argument(help="Name of the diagnostic, with its unit if any: my_angle_deg.")],
    folder: ProjectFolder = Path(),
    as_json: JsonOption = False,
) -> int:
    """Write a small distribution with a diagnostic and tests."""
    return _contribution("diagnostic", name, folder, as_json)


@app.command(
    "track",
    cls=Verb,
    epilog=examples("benchsuite new track my-track", "benchsuite new track my-track --folder other-specs"),
)
@exits
def track(
    name: Annotated[str, typer.Argument(help="Name of the track, such as my-track.")],
    folder: SpecsFolder = Path("my-specs"),
    as_json: JsonOption = False,
) -> int:
    """Write the spec file of a track; nothing needs to be installed."""
    return _contribution("track", name, folder, as_json)


@app.command(
    "claim",
    cls=Verb,
    epilog=examples("benchsuite new claim my-claim", "benchsuite new claim my-claim --folder other-specs"),
)
@exits
def claim(
    name: Annotated[str, typer.Argument(help="Name of the claim, such as my-claim.")],
    folder: SpecsFolder = Path("my-specs"),
    as_json: JsonOption = False,
) -> int:
    """Write the spec file of a claim; nothing needs to be installed."""
    return _contribution("claim", name, folder, as_json)


def _contribution(kind: str, name: str, folder: Path, as_json: bool) -> int:
    from benchsuite.api.projects import make_contribution

    return _show(make_contribution(kind, name, folder), as_json)


def _show(made: Made, as_json: bool) -> int:
    from benchsuite.api.projects import in_this_environment, install_command

    if as_json:
        print_json({"files": [str(path) for path in made.files]})
        return 0
    console = output()
    for path in made.files:
        console.print(str(path), markup=False, soft_wrap=True)
    steps = (
        [] if made.project is None else [install_command(made.project), in_this_environment(f"pytest {made.project}")]
    )
    steps += [in_this_environment(trial) for trial in made.trials]
    console.print("\nnext", *(f"  {step}" for step in steps), sep="\n", markup=False, soft_wrap=True)
    return 0
