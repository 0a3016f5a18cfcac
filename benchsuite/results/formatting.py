"""Format numbers and names for people; the only place where a fraction becomes per cent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from benchsuite.results.across_tasks import TaskMean
from benchsuite.results.grouping import flatten
from benchsuite.results.model import Estimate, RuleRow

if TYPE_CHECKING:
    from benchsuite.records.tuning import TuningRecord
    from benchsuite.results.tuning_curves import RateRange

MINUS = "\N{MINUS SIGN}"
MAX_TEXT_CHARACTERS = 4000
"""Longest reason or command that a page shows; records have no limit of their own."""

UNITS = (("_deg", "°"), ("_ms", "ms"), ("_s", "s"), ("_percent", "%"), ("_mib", "MiB"))
COMPOUNDS = ("one_step", "pre_activation")
"""Words that are written with a hyphen."""

STATUS_WORDS = {"out_of_memory": "out of memory", "timed_out": "timed out"}


def percent(fraction: float | None, digits: int = 2) -> str:
    """Return a fraction in per cent without the per cent sign, or an en dash for None."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}".replace("-", MINUS)


def points(fraction: float, digits: int = 2) -> str:
    """Return a difference of fractions in percentage points, always with its sign."""
    text = f"{100 * fraction:+.{digits}f}"
    return (text.lstrip("+-") if float(text) == 0 else text).replace("-", MINUS)


def mean_sd(estimate: Estimate | None) -> str:
    """Return ``mean ± sd`` in per cent; only the mean for one seed."""
    if estimate is None:
        return "–"
    spread = "" if estimate.sd is None else f" ± {percent(estimate.sd)}"
    return percent(estimate.mean) + spread


def plain_mean_sd(estimate: Estimate | None, digits: int = 2) -> str:
    """Return ``mean ± sd`` of a quantity that is not a fraction; only the mean for one seed."""
    if estimate is None:
        return "–"
    spread = "" if estimate.sd is None else f" ± {estimate.sd:.{digits}f}"
    mean = f"{estimate.mean:.{digits}f}"
    return (mean.lstrip("-") if float(mean) == 0 else mean).replace("-", MINUS) + spread


def interval(estimate: Estimate | TaskMean | None, *, signed: bool = False) -> str:
    """Return the 95 % interval in per cent or, ``signed``, in percentage points."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "–"
    show = points if signed else percent
    return f"{show(estimate.low)} to {show(estimate.high)}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with ``digits`` significant digits and commas between thousands."""
    if value is None:
        return "–"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10 ** (digits - 1) else f"{rounded:.{digits}g}"


def duration(seconds: float) -> str:
    """Return a time with two or three digits, in seconds, minutes or hours."""
    for least, size, unit in ((7200, 3600, "h"), (120, 60, "min")):
        if seconds >= least:
            return f"{number(seconds / size, 2 if seconds / size < 10 else 3)} {unit}"
    return f"{number(seconds, 2)} s"


PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def scaled(value: float, unit: str) -> str:
    """Return an amount with three digits and the prefix that fits: ``1.2e12, "FLOP"`` gives ``1.2 TFLOP``."""
    size, prefix = next(((size, prefix) for size, prefix in PREFIXES if value >= size), (1.0, ""))
    return f"{number(value / size)} {prefix}{unit}"


def memory_words(mib: float) -> str:
    """Return an amount of memory in MiB or, from 1,024 on, in GiB."""
    return f"{number(mib / 1024)} GiB" if mib >= 1024 else f"{max(1, round(mib)):,} MiB"


def seeds_in_words(seeds: Iterable[int]) -> str:
    """Return seed indices with runs of them folded: ``0-4`` or ``0, 2, 7``."""
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def budget_words(record: TuningRecord | None) -> str:
    """Return a tuned row's budget in words; without the tuning's record the number of trials is not known here."""
    if record is None:
        return "tuned; its tuning is not here"
    return f"tuned ({record.spec.budget.words}), {duration(record.train_time_s)} of tuning"


def rate_width(rates: RateRange | None) -> str:
    """Return the width of a range of learning rates in powers of ten, as far as the trials tell."""
    if rates is None:
        return "–"
    least, most = f"{rates.decades:.1f}", f"{rates.decades_at_most:.1f}"
    if rates.is_open:
        return f"≥ {least}"
    return least if least == most else f"{least} to {most}"


def p_value(value: float | None) -> str:
    """Return a p-value with two digits, never as zero."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


@lru_cache(maxsize=1024)
def quantity(diagnostic: str) -> str:
    """Turn a diagnostic's name into words with its unit: ``credit_angle_deg`` becomes ``credit angle (°)``."""
    for compound in COMPOUNDS:
        diagnostic = diagnostic.replace(compound, compound.replace("_", "-"))
    for ending, unit in UNITS:
        if diagnostic.endswith(ending):
            return f"{diagnostic.removesuffix(ending).replace('_', ' ')} ({unit})"
    return diagnostic.replace("_", " ")


def axis_title(diagnostic: str) -> str:
    """Return an axis title for a small chart: the name's last word and the unit. The heading has the whole name."""
    words, bracket, unit = quantity(diagnostic).partition(" (")
    return words.rpartition(" ")[2] + bracket + unit


def status_words(status: str) -> str:
    """Return a status as words."""
    return STATUS_WORDS.get(status, status)


def shown(text: str) -> str:
    """Return a record's text with control characters made visible, cut at the longest text that a page shows."""
    is_plain = text.replace("\n", " ").isprintable()
    visible = text if is_plain else "".join(map(_visible, text))
    rest = len(visible) - MAX_TEXT_CHARACTERS
    return visible if rest <= 0 else f"{visible[:MAX_TEXT_CHARACTERS]} … ({rest} more characters in the record)"


def _visible(character: str) -> str:
    return character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}"


def hardware_words(hardware_class: str) -> str:
    """Return a hardware class as text; its stored name says "1 threads" where there is one."""
    return re.sub(r"(?<!\d)1 threads$", "1 thread", hardware_class)


def settings(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return nested settings as dotted paths and JSON values, sorted by path."""
    return sorted(flatten(config)) if config else []


def as_json(value: Any) -> str:
    """Return readable JSON for a page's text; the page's template escapes it."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, default=str)


def failure_lines(row: RuleRow) -> list[tuple[str, str, str]]:
    """Return (status, seeds, reason) of the runs that do not count, with equal ones merged."""
    found: dict[tuple[str, str], list[int]] = {}
    for run in row.runs:
        if not run.counted and not run.superseded:
            found.setdefault((status_words(run.status), run.reason), []).append(run.seed)
    return [
        (status, f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}", reason)
        for (status, reason), seeds in sorted(found.items())
    ]
