"""The commands that come next, shown at the end of another one, as the reader has to type them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.cli.options import DEFAULT_STORE, output

if TYPE_CHECKING:
    from benchsuite.records.model import RunRecord

OWN_DISTRIBUTION = "benchsuite "


def show_next(steps: Mapping[str, str]) -> None:
    """Print commands with what they are for.

    Args:
        steps: purpose by command.

    """
    from benchsuite.api.projects import in_this_environment

    console = output()
    typed = {in_this_environment(command): purpose for command, purpose in steps.items()}
    width = max(map(len, typed), default=0)
    console.print("\nnext")
    for command, purpose in typed.items():
        console.print(f"  {command.ljust(width)}  {purpose}", markup=False, soft_wrap=True)


def same_places(
    store: Path, specs: Sequence[Path] | None = None, data_root: Path | None = None, hardware: str = "auto"
) -> list[str]:
    """Return the options that lead the next command to the same store, specs, data and hardware.

    Args:
        store: folder of records; the default one is left out.
        specs: folders of the reader's own specs.
        data_root: folder of data sets.
        hardware: name or file of a hardware spec; ``auto`` is left out.

    """
    words = [] if store == DEFAULT_STORE else ["--store", str(store)]
    for folder in specs or ():
        words += ["--specs", str(folder)]
    words += ["--data-root", str(data_root)] if data_root else []
    return words + (["--hardware", hardware] if hardware != "auto" else [])


def after_runs(records: Iterable[RunRecord], store: Path, places: Sequence[str] = ()) -> dict[str, str]:
    """Return what to do after some runs: audit and tune a rule that is not the suite's own, or start one.

    Args:
        records: the records of the runs.
        store: their store.
        places: options from ``same_places``.

    """
    interface = shlex.join(["benchsuite", "ui", *same_places(store)])
    outside = [
        each
        for each in records
        if each.status != "incompatible" and not each.environment.rule_distribution.startswith(OWN_DISTRIBUTION)
    ]
    if not outside:
        return {interface: "the same runs in MLflow", "benchsuite new rule my_rule": "a rule of your own, ready to run"}
    spec = outside[0].spec
    rule = spec.rule.name
    audit = shlex.join(["benchsuite", "audit", rule, "--out", str(store / "audits")])
    steps = {audit: "what it declares, tested; shown on its page"}
    if not any(each.spec.rule.tuned_by for each in outside if each.spec.rule.name == rule):
        tune = ["benchsuite", "tune", spec.track, "--rules", f"backprop,{rule}", "--tier", spec.tier, *places]
        steps[shlex.join(tune)] = "its learning rate and backprop's, searched alike"
    return steps | {interface: "the same runs in MLflow"}


def after_tuning(
    target: str, rules: str | None, tier: str, overrides: Sequence[str], places: Sequence[str] = ()
) -> dict[str, str]:
    """Return the command that makes the final runs of some tunings.

    Args:
        target: suite or track that was tuned.
        rules: the rules asked for, separated by commas; None for all.
        tier: tier of the tunings.
        overrides: ``path=value`` texts of the request.
        places: options from ``same_places``.

    """
    words = ["benchsuite", "run", target, *(["--rules", rules] if rules else []), "--tier", tier, "--settings", "tuned"]
    words += [word for override in overrides for word in ("--set", override)]
    return {shlex.join([*words, *places]): "final runs with what was found"}
