"""Names of rules on pages: an abbreviation for narrow tables, and the full name in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchsuite.results.board_plan import RuleWords
from benchsuite.results.rule_style import short_name
from benchsuite.results.rule_texts import TITLES

WORD = re.compile(r"[a-z][a-z0-9_-]*[a-z0-9]")
"""A word that may be the identifier of a rule."""


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

    def in_words(self, text: str) -> str:
        """Return a text with the identifiers of rules replaced by their names in words."""
        return WORD.sub(lambda found: self.full(found[0]) if self._is_rule(found[0]) else found[0], text)

    def _is_rule(self, word: str) -> bool:
        return word in TITLES or word in self.stated

    def summary(self, rule: str) -> str:
        """Return one sentence on the rule; empty if it is not known."""
        words = self.stated.get(rule)
        return words.summary if words else ""


def row_name(label: str, rule: str) -> str:
    """Return a row's label with its rule's name in words."""
    return RuleNames().full(rule) + label.removeprefix(rule) if label.startswith(rule) else label
