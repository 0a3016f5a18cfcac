"""Names of rules on pages: an abbreviation for narrow tables, and the full name in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchsuite.results.board_plan import RuleWords
from benchsuite.results.rule_style import short_name
from benchsuite.results.rule_texts import TITLES


@dataclass(frozen=True)
class RuleNames:
    """Short and full names of rules."""

    stated: Mapping[str, RuleWords] = field(default_factory=dict)
    """Rules' own words; a rule that is not here gets its names from its identifier."""

    def short(self, rule: str) -> str:
        """Return the abbreviation that the rule states, else the usual one."""
        words = self.stated.get(rule)
        return (words.short_name if words else "") or short_name(rule)

    def full(self, rule: str) -> str:
        """Return the name in words; an abbreviation that is the whole name keeps its capitals."""
        if rule in TITLES:
            return TITLES[rule]
        short = self.short(rule)
        return short if short.lower() == rule.lower() else rule.replace("_", " ")

    def summary(self, rule: str) -> str:
        """Return one sentence on the rule; empty if it is not known."""
        words = self.stated.get(rule)
        return words.summary if words else ""


def row_name(label: str, rule: str) -> str:
    """Return a row's label with its rule's name in words."""
    return RuleNames().full(rule) + label.removeprefix(rule) if label.startswith(rule) else label
