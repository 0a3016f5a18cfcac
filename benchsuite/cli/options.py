"""Options that several verbs share, and how what they say is turned into objects."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from benchsuite.registry.manager import Registry
    from benchsuite.specs.loading.library import SpecLibrary
    from benchsuite.specs.loading.resolve import SelectedRun, Selection
    from benchsuite.specs.loading.resolve_experiment import SelectedExperiment
    from benchsuite.specs.models.hardware import HardwareSpec

DEFAULT_STORE = Path("benchsuite-store")

StoreOption = Annotated[
    Path,
    typer.Option("--store", envvar="BENCHSUITE_STORE", help="Folder of records, checkpoints and the MLflow mirror."),
]
DataRootOption = Annotated[
    Path | None,
    typer.Option("--data-root", help="Where data sets lie; else $BENCHSUITE_DATA, else the user's cache folder."),
]
SpecsOption = Annotated[
    list[Path] | None,
    typer.Option("--specs", help="A folder of your own specs (datasets/, tracks/, …); may be given several times."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
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
    typer.Option("--tier", help="How much to run; the suite's own, or 'quick' for a track."),
]
RulesOption = Annotated[
    str | None,
    typer.Option(
        "--rules",
        help="Rules, separated by commas; patterns such as 'feedback*' work.",
        autocompletion=lambda incomplete: _complete_rules(incomplete),
    ),
]
SeedsOption = Annotated[int | None, typer.Option("--seeds", min=1, max=1000, help="How many seeds, from 0 on.")]
SeedOption = Annotated[list[int] | None, typer.Option("--seed", min=0, help="One seed index; may be repeated.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override one field, e.g. --set protocol.epochs=5."),
]
HardwareOption = Annotated[str, typer.Option("--hardware", help="Name or file of a hardware spec.")]
ExecutorName = Literal["local", "ray"]
ExecutorOption = Annotated[
    ExecutorName,
    typer.Option("--executor", help="Where runs are made: here, one after the other, or on a Ray cluster."),
]
TargetArgument = Annotated[
    str,
    typer.Argument(
        help="A suite, a track or an experiment, by name or as a file.",
        show_default=False,
        autocompletion=lambda incomplete: _complete_target(incomplete),
    ),
]


def _complete_target(incomplete: str) -> list[str]:
    """Return what can be run for the shell's completion."""
    from benchsuite.specs.loading.targets import RUNNABLE

    found = library(None)
    return [name for kind in RUNNABLE for name in found.names(kind) if name.startswith(incomplete)]


def complete_rule(incomplete: str) -> list[str]:
    """Return the rules that a name may become, for the shell's completion, which cannot wait for torch.

    Plugins are named as their rule is; those of the suite's own package bring no rules.
    """
    from importlib.metadata import entry_points

    points = entry_points(group="benchsuite")
    names = {point.name for point in points if not point.value.startswith("benchsuite.")}
    return sorted(name for name in names if name.startswith(incomplete))


def _complete_rules(incomplete: str) -> list[str]:
    """Return what was typed with its last rule's name completed."""
    typed, comma, last = incomplete.rpartition(",")
    return [typed + comma + name for name in complete_rule(last)]


def selection(
    target: str,
    rules: str | None,
    tier: Literal["smoke", "quick", "paper"] | None,
    seeds: int | None,
    seed: list[int] | None,
    overrides: list[str] | None,
    hardware: str,
) -> Selection:
    """Return what the options select.

    Raises:
        SpecError: if both ``--seeds`` and ``--seed`` are given.

    """
    from benchsuite.errors import Problem, SpecError
    from benchsuite.specs.loading.resolve import Selection

    if seeds and seed:
        raise SpecError([Problem("give --seeds (how many) or --seed (which), not both")])
    return Selection(
        target=target,
        rules=tuple(name.strip() for name in rules.split(",") if name.strip()) if rules else (),
        tier=tier,
        seeds=tuple(seed) if seed else tuple(range(seeds or 0)),
        overrides=tuple(overrides or ()),
        hardware=hardware,
    )


def library(specs: list[Path] | None, target: str = "", plugin_folders: list[Path] | None = None) -> SpecLibrary:
    """Return the library of built-in, user and plugin specs.

    Raises:
        SpecError: if a folder given does not exist.

    """
    from benchsuite.errors import Problem, SpecError
    from benchsuite.specs.loading.library import builtin_folder, user_folders
    from benchsuite.specs.loading.resolve import load_library_for

    missing = [Problem("no such folder", str(folder)) for folder in specs or [] if not folder.is_dir()]
    if missing:
        raise SpecError(missing)
    return load_library_for(target, [builtin_folder(), *user_folders(), *(specs or []), *(plugin_folders or [])])


def resolved(
    chosen: Selection, specs: list[Path] | None, settle: Callable[[HardwareSpec], HardwareSpec] | None = None
) -> tuple[list[SelectedRun], Registry]:
    """Return the runs of a selection, for this machine's hardware, and the registry they were resolved with."""
    from benchsuite.registry.manager import installed_registry
    from benchsuite.specs.loading.resolve import resolve
    from benchsuite.training.device import settle_hardware

    registry = installed_registry()
    return resolve(chosen, _library_for(chosen, specs, registry), registry, settle or settle_hardware), registry


def settle_or_imagine(hardware: HardwareSpec) -> HardwareSpec:
    """Return what this machine has; or the spec as it is where that says how fast its hardware is, for a plan."""
    from benchsuite.errors import HardwareError
    from benchsuite.training.device import settle_hardware

    try:
        return settle_hardware(hardware)
    except HardwareError:
        if hardware.sustained_tflops is None:
            raise
        return hardware


def resolved_experiment(chosen: Selection, specs: list[Path] | None) -> tuple[SelectedExperiment | None, Registry]:
    """Return the experiment that a selection names, or None if it names a suite or a track, and the registry."""
    from benchsuite.registry.manager import installed_registry
    from benchsuite.specs.loading.resolve_experiment import resolve_experiment
    from benchsuite.specs.loading.targets import find_target

    registry = installed_registry()
    target = find_target(chosen.target, _library_for(chosen, specs, registry))
    return (resolve_experiment(chosen, target) if target.kind == "experiments" else None), registry


def _library_for(chosen: Selection, specs: list[Path] | None, registry: Registry) -> SpecLibrary:
    return library(specs, chosen.target, [folder for folder, _ in registry.spec_folders])


def data_root(given: Path | None) -> Path:
    """Return where data sets lie."""
    from benchsuite.data.roots import find_data_root

    return find_data_root(given)


def print_json(value: Any) -> None:
    """Print data as JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def output() -> Console:
    """Return the console for results, on stdout."""
    from rich.console import Console

    # A pipe has no width; tables must not be cut to 80 columns there.
    return Console(width=None if sys.stdout.isatty() else 200, soft_wrap=not sys.stdout.isatty(), highlight=False)


def messages() -> Console:
    """Return the console for progress and remarks, on stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)
