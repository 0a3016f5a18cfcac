"""Say what a command is about to run, from the specs alone, before torch is imported, which takes seconds."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from benchsuite.api.display import SafeConsole, counted
from benchsuite.api.options import PathLike, Paths, Rules, Seeds, Tier, make_selection
from benchsuite.api.workspace import find_specs
from benchsuite.errors import BenchsuiteError
from benchsuite.process import is_own_process
from benchsuite.registry.catalogue import Catalogue, keep_catalogue, stored_catalogue
from benchsuite.specs.loading.inherited_tiers import warnings_of_rows
from benchsuite.specs.loading.target_rows import TargetRows, rows_of_target
from benchsuite.specs.loading.targets import find_target

if TYPE_CHECKING:
    from benchsuite.api.tuned_settings import SettingsName


def announce(
    target: PathLike, rules: Rules, seeds: Seeds, tier: Tier | None, specs: Paths, settings: SettingsName = "published"
) -> None:
    """Print one line on stderr: the number of runs, or only the target as long as the installed rules are not known.

    A line follows for each field of a track that an inherited tier overrides.

    Prints nothing if torch is there already, since the first run then starts at once; nor for a wrong request, which
    has messages of its own; nor from any process of torchrun but the first.
    """
    if "torch" in sys.modules or os.environ.get("RANK", "0") != "0":
        return
    try:
        # How many rows are tuned is in the store's records, which take longer to read.
        line = _line(target, rules, seeds, tier, specs, stored_catalogue() if settings == "published" else None)
    except BenchsuiteError:
        return
    SafeConsole(stderr=True, highlight=False).print(line, markup=False, soft_wrap=True)


def remember_rules() -> None:
    """Keep what is known of the loaded plugins, so that the next command can count its runs at once."""
    if is_own_process():
        keep_catalogue()


def _line(
    target: PathLike, rules: Rules, seeds: Seeds, tier: Tier | None, specs: Paths, catalogue: Catalogue | None
) -> str:
    library = find_specs(specs, target, catalogue)
    selection = make_selection(target, rules, seeds, tier)
    found = find_target(selection.target, library)
    if found.kind == "studies":
        return f"study {found.name}"
    if catalogue is None:
        return f"{found.name}: loading rules"
    chosen = rows_of_target(selection, library, catalogue, found)
    warned = (f"warning: {warning}" for warning in warnings_of_rows(chosen))
    return "\n".join([_counts(found.name, chosen, len(selection.seeds)), *warned])


def _counts(name: str, chosen: TargetRows, seeds_asked: int) -> str:
    seeds = seeds_asked or chosen.seeds
    rows = sum(map(len, chosen.rows.values()))
    rules = len({row.name for on_track in chosen.rows.values() for row in on_track})
    where = name if list(chosen.tracks) == [name] else f"{counted(len(chosen.tracks), 'track')} of {name}"
    up_to = "" if rows == rules * len(chosen.tracks) else "up to "
    product = f"{up_to}{counted(rules, 'rule')} × {counted(seeds, 'seed')}"
    return f"{counted(rows * seeds, 'run')}: {product} on {where}, {chosen.tier} tier"
