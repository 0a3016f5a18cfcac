"""Name the runs that an undecided claim lacks, and the command that makes them."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence

from benchsuite.papers.claim_cases import Arm, Case
from benchsuite.papers.evidence import Pool, RecordIndex
from benchsuite.papers.floors import reference_errors
from benchsuite.papers.run_values import measured
from benchsuite.papers.verdict_model import CaseVerdict, MissingRuns, NeededRun
from benchsuite.records.model import FINAL_STATUSES
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.variant import slug_of

PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def needed_runs(case: Case, pool: Pool | None, index: RecordIndex, minimum: int) -> tuple[NeededRun, ...]:
    """Return the runs that a case lacks; empty if none can be made: a rule is not installed, or a run diverged.

    Args:
        case: the case.
        pool: the records that come closest to deciding it; None if there are none.
        index: all records.
        minimum: number of seeds that each rule needs.

    """
    is_paired = case.comparison.test == "paired"
    seeds: dict[Arm, set[int]] = {}
    for arm in case.arms:
        if not arm.is_installed:
            return ()
        known = _seeds_of(arm, case, pool, index)
        if any(not is_measured and _is_final(arm, seed, case, index) for seed, is_measured in known.items()):
            return ()
        usable = {seed for seed, is_measured in known.items() if is_measured}
        seeds[arm] = {seed for seed in known if seed not in usable} | _absent(usable, minimum, is_paired)
    return tuple(
        NeededRun(arm.track, arm.rule, seed, arm.settings) for arm, lacking in seeds.items() for seed in sorted(lacking)
    )


def _seeds_of(arm: Arm, case: Case, pool: Pool | None, index: RecordIndex) -> dict[int, bool]:
    """Return each seed that an arm has, with True if everything that the case needs of it was measured."""
    known: dict[int, bool] = {}
    if pool is None:
        return known
    for pair in (case.left, case.right):
        if pair and arm in pair.arms:
            for seed, record in pool.runs[arm].items():
                is_measured = measured(record, case.comparison, pair) is not None
                known[seed] = known.get(seed, True) and is_measured
    for floor in case.floors:
        if floor.arm is arm:
            for seed, error in reference_errors(floor, pool, index).items():
                known[seed] = known.get(seed, True) and error is not None
    return known


def _is_final(arm: Arm, seed: int, case: Case, index: RecordIndex) -> bool:
    """Return True if the newest run of a seed ended in a way that another run would."""
    of_seed = [record.status for record in index.runs_of(arm) if record.spec.seed == seed]
    # A completed run that lacks a diagnostic has other diagnostics than the case asks for, and can be made with them.
    # One that lacks the error of an epoch ended earlier, and would again.
    again = {"completed"} if case.comparison.is_diagnostic else set()
    return bool(of_seed) and of_seed[-1] in FINAL_STATUSES - again


def _absent(usable: set[int], minimum: int, is_paired: bool) -> set[int]:
    """Return the lowest seed indices that bring a rule to the minimum; if seeds are paired, the same for all rules."""
    if is_paired:
        return set(range(minimum)) - usable
    free = (seed for seed in range(minimum + len(usable)) if seed not in usable)
    return {next(free) for _ in range(minimum - len(usable))}


def cheapest(cases: Iterable[CaseVerdict], tiers: Sequence[Tier]) -> MissingRuns | None:
    """Return what a claim lacks at the tier that lacks the fewest runs, or None if no run would decide it.

    Of tiers that lack equally many the claim's first is taken, which is the published protocol. A tier at which the
    networks are trained too little, or at which a case cannot be decided by any run, is left out.
    """
    by_tier: dict[Tier, MissingRuns] = {}
    cases = tuple(cases)
    for tier in tiers:
        open_cases = [c for c in cases if c.tier == tier and c.verdict in {"not_enough_records", "inconclusive"}]
        if open_cases and all(case.needed for case in open_cases):
            runs = dict.fromkeys(run for case in open_cases for run in case.needed)
            by_tier[tier] = MissingRuns(tier, tuple(runs), command_for(tier, runs))
    return min(by_tier.values(), key=lambda missing: len(missing.runs), default=None)


def command_for(tier: Tier, runs: Iterable[NeededRun]) -> str:
    """Return one line of shell that makes the runs; a track needs a command of its own."""
    settings: dict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    runs = tuple(runs)
    for run in runs:
        settings[run.track, run.rule].add(run.settings)
    groups: dict[tuple[str, tuple[str, ...]], list[NeededRun]] = {}
    for run in runs:
        # Overrides of one rule change no other rule, but a rule with two settings needs two commands.
        own = run.settings if len(settings[run.track, run.rule]) > 1 else ()
        groups.setdefault((run.track, own), []).append(run)
    commands = []
    for (track, _), members in groups.items():
        rules = ",".join(dict.fromkeys(_row_word(run.rule) for run in members))
        words = ["benchsuite", "run", track, "--tier", tier, "--rules", rules]
        words += ["--seeds", str(1 + max(run.seed for run in members))]
        for setting in dict.fromkeys(text for run in members for text in run.settings):
            words += ["--set", setting]
        commands.append(shlex.join(words))
    return " && ".join(commands)


def _row_word(name: str) -> str:
    """Return a rule's name, and a variant's as one word: ``--rules`` takes a list separated by commas."""
    return name if PLAIN_NAME.fullmatch(name) else slug_of(name)
