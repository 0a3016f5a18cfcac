"""The look of each row of a table in all of its charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchsuite.results.model import BASELINE_RULE, TrackTable
from benchsuite.results.rule_style import DASHES, MARKERS, PALETTE, RuleStyle, rule_style
from benchsuite_leaderboard.names import row_name

# Five dashes and six markers: both change from one to the next, and all thirty pairs occur.
EVERY_LOOK = tuple((DASHES[i % len(DASHES)], MARKERS[i % len(MARKERS)]) for i in range(len(DASHES) * len(MARKERS)))


@dataclass(frozen=True)
class Series:
    """Name, colour, dash and marker of one line, the same in every chart of its table."""

    index: int
    label: str
    short: str
    """Name at the line's end."""
    name: str
    """The label with the rule's name in words."""
    color: str
    dash: list[int]
    marker: str


def assign_series(table: TrackTable) -> dict[str, Series]:
    """Assign each row, by its id, its rule's look; further rows of the rule keep its colour."""
    rules = {row.label: row.rule for row in table.rows}
    by_label = rule_series(rules)
    return {row.row_id: by_label[row.label] for row in sorted(table.rows, key=lambda row: row.label)}


def rule_series(rules: Mapping[str, str]) -> dict[str, Series]:
    """Assign each label, sorted, the look of its rule.

    Args:
        rules: rule by label.

    """
    labels = sorted(rules)
    looks = _looks([rules[label] for label in labels])
    names = end_names(rules)
    return {
        label: Series(
            number, label, names[label], row_name(label, rules[label]), look.color, list(look.dash), look.marker
        )
        for number, (label, look) in enumerate(zip(labels, looks, strict=True))
    }


def plain_series(labels: Iterable[str]) -> dict[str, Series]:
    """Assign each label a look by its place: for lines that are not rules, such as segments."""
    found = {}
    for number, label in enumerate(labels):
        dash, marker = DASHES[number % len(DASHES)], MARKERS[number % len(MARKERS)]
        found[label] = Series(number, label, label, label, PALETTE[number % len(PALETTE)], list(dash), marker)
    return found


def end_names(rules: Mapping[str, str]) -> dict[str, str]:
    """Return each row's name for a line's end: its rule's short name, and what tells it from other rows.

    Args:
        rules: rule by label.

    """
    rest = {label: _rest(rule, label) for label, rule in rules.items()}
    compared = {rule for rule in rules.values() if rule != BASELINE_RULE}
    says_nothing = len(set(rest.values())) == 1 and len(set(rules.values())) > 1
    names = {}
    for label, rule in rules.items():
        short = rule_style(rule).short_name
        if not rest[label] or says_nothing:
            names[label] = short
        elif len(compared) == 1 and rule in compared and len(rules) > 1:
            names[label] = rest[label]
        else:
            names[label] = f"{short} {rest[label]}" if label.startswith(rule) else label
    return _told_apart(names)


def _told_apart(names: Mapping[str, str]) -> dict[str, str]:
    """Add to equal names what their labels do not share of the details in brackets, such as ``4 finalists``."""
    told = {}
    for label, name in names.items():
        details = [_details(other) for other, same in names.items() if same == name]
        shared = set(details[0]).intersection(*details)
        told[label] = " ".join([name, ", ".join(d for d in _details(label) if d not in shared)]).strip()
    return told


def _details(label: str) -> list[str]:
    return [detail.strip() for detail in label.partition("(")[2].rstrip(")").split(",") if detail]


def _rest(rule: str, label: str) -> str:
    """Return the part of a label after its rule, in short: ``, tuned (16 trials)`` becomes ``tuned``."""
    return label.removeprefix(rule).strip(" ,").split(" (")[0].strip("()") if label.startswith(rule) else label


def _looks(rules: Sequence[str]) -> list[RuleStyle]:
    """Return a look per row; the first row of a rule gets the rule's, others a free dash and marker in its colour."""
    taken = {(style.color, style.dash, style.marker) for style in map(rule_style, rules)}
    looks, seen = [], set()
    for rule in rules:
        style = rule_style(rule)
        if rule in seen:
            free = (
                (dash, marker)
                for dash, marker in EVERY_LOOK
                if dash != style.dash and marker != style.marker and (style.color, dash, marker) not in taken
            )
            dash, marker = next(free, (style.dash, style.marker))
            style = RuleStyle(style.short_name, style.color, dash, marker)
            taken.add((style.color, dash, marker))
        seen.add(rule)
        looks.append(style)
    return looks
