"""Options that several verbs share, and functions that print results and remarks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from benchsuite.errors import Problem, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from benchsuite.api.display import Part

DEFAULT_STORE = Path("benchsuite-store")

StoreOption = Annotated[
    Path,
    typer.Option("--store", envvar="BENCHSUITE_STORE", help="Folder of records, checkpoints and the MLflow mirror."),
]
DataRootOption = Annotated[
    Path | None,
    typer.Option("--data-root", help="Folder of data sets; else $BENCHSUITE_DATA, else the user's cache folder."),
]
SpecsOption = Annotated[
    list[Path] | None,
    typer.Option("--specs", help="A folder of your own specs (datasets/, tracks/, …); may be given several times."),
]
RecordsOption = Annotated[
    list[Path] | None,
    typer.Option("--records", help="A folder of records to use instead of the store's; may be given several times."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
WideOption = Annotated[
    bool, typer.Option("--wide", help="Show every column with full names, however wide the table gets.")
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        envvar="BENCHSUITE_TRACKING_URI",
        help="MLflow store to mirror into; SQLite inside the store if not given, 'none' for no mirror.",
    ),
]
TierOption = Annotated[
    Literal["smoke", "quick", "paper"] | None,
    typer.Option(
        "--tier",
        help="How much to run: smoke (seconds), quick (a laptop) or paper (as published). If not given, the suite's "
        "own, or quick for a track.",
    ),
]
RulesOption = Annotated[
    str | None,
    typer.Option(
        "--rules",
        help="Rules and variants, separated by commas; patterns such as 'feedback*' work.",
        autocompletion=lambda incomplete: _complete_rules(incomplete),
    ),
]
SeedsOption = Annotated[
    int | None, typer.Option("--seeds", min=1, max=1000, help="Number of seeds; their indices start at 0.")
]
SeedOption = Annotated[list[int] | None, typer.Option("--seed", min=0, help="One seed index; may be repeated.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override one field, e.g. --set protocol.epochs=5."),
]
SettingsOption = Annotated[
    Literal["published", "tuned"],
    typer.Option("--settings", help="Settings of each rule: the specs' own, or what `benchsuite tune` found."),
]
HardwareOption = Annotated[
    str,
    typer.Option(
        "--hardware",
        help="Name or file of a hardware spec.",
        autocompletion=lambda incomplete: _complete_hardware(incomplete),
    ),
]
ExecutorName = Literal["local", "inline", "ray", "slurm"]
ExecutorOption = Annotated[
    ExecutorName,
    typer.Option(
        "--executor",
        envvar="BENCHSUITE_EXECUTOR",
        help="Where runs are made: each in a process of its own, in this process (for debuggers), on a Ray cluster, or "
        "as jobs of a SLURM cluster.",
    ),
]
SlurmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        help="An option of sbatch for the jobs of --executor slurm, such as partition=gpu or time=4:00:00; may be "
        "repeated.",
    ),
]
TargetArgument = Annotated[
    str,
    typer.Argument(
        help="A suite, a track or a study, by name or as a file.",
        show_default=False,
        autocompletion=lambda incomplete: _complete_target(incomplete),
    ),
]


def _complete_target(incomplete: str) -> list[str]:
    from benchsuite.api.completion import complete_target

    return complete_target(incomplete)


def complete_track(incomplete: str) -> list[str]:
    """Return the tracks that complete a name, for the shell's completion."""
    from benchsuite.api.completion import complete_spec

    return complete_spec("tracks", incomplete)


def complete_dataset(incomplete: str) -> list[str]:
    """Return the data sets that complete a name, for the shell's completion."""
    from benchsuite.api.completion import complete_spec

    return complete_spec("datasets", incomplete)


def complete_anything(incomplete: str) -> list[str]:
    """Return everything that has a name that ``info`` knows, for the shell's completion."""
    from benchsuite.api.completion import complete_anything

    return complete_anything(incomplete)


def _complete_hardware(incomplete: str) -> list[str]:
    from benchsuite.api.completion import complete_spec

    return complete_spec("hardware", incomplete)


def complete_rule(incomplete: str) -> list[str]:
    """Return the rules that complete a name, for the shell's completion."""
    from benchsuite.api.completion import complete_rule

    return complete_rule(incomplete)


def _complete_rules(incomplete: str) -> list[str]:
    """Return the typed list of rules with the last name completed."""
    typed, comma, last = incomplete.rpartition(",")
    return [typed + comma + name for name in complete_rule(last)]


def chosen_seeds(count: int | None, indices: list[int] | None) -> int | list[int] | None:
    """Return the seeds chosen by ``--seeds`` or ``--seed``.

    Raises:
        SpecError: if both are given.

    """
    if count and indices:
        raise SpecError([Problem("give --seeds (how many) or --seed (which), not both")])
    return indices or count


def print_json(value: Any) -> None:
    """Print data as JSON on stdout."""
    from benchsuite.api.display import UNPRINTABLE

    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    # JSON escapes most control characters itself, but not all that a terminal obeys.
    sys.stdout.write(UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def output(*, wide: bool = False) -> Console:
    """Return the console for results, on stdout; with ``wide``, as wide as they need."""
    from benchsuite.api.display import UNLIMITED, SafeConsole

    # A pipe has no width; tables in it must not be cut to 80 columns.
    width = UNLIMITED if wide or not sys.stdout.isatty() else None
    return SafeConsole(width=width, soft_wrap=width is not None, highlight=False)


def messages() -> Console:
    """Return the console for progress and remarks, on stderr."""
    from benchsuite.api.display import SafeConsole

    return SafeConsole(stderr=True, highlight=False)


def show(parts: Iterable[Part], *, wide: bool = False) -> None:
    """Print results on stdout; with ``wide``, tables with all their columns."""
    from benchsuite.api.display import print_parts

    print_parts(output(wide=wide), parts)


def print_message(text: str) -> None:
    """Print a remark on stderr."""
    messages().print(text, markup=False, soft_wrap=True)


def report_broken(broken: Iterable[Any]) -> None:
    """Print the files that hold no usable record."""
    for found in broken:
        print_message(f"left out: {found.path}: {found.reason}")
