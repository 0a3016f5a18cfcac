"""Names of rows: those that specs give to settings today, or else those that the records were made under.

Names are found by settings, so a run has its variant's name whether it was asked for by name or by the same settings,
and also if the variant was defined after it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchsuite.records.model import RunRecord
from benchsuite.results.grouping import conditions
from benchsuite.specs.models.track import RunSpec


@dataclass(frozen=True)
class NamedSettings:
    """The name of a rule or a variant, and the settings that it stands for."""

    track: str
    conditions: str
    """As ``grouping.conditions`` returns them."""
    name: str


NamesBySettings = Mapping[str, Sequence[str]]
"""Names by conditions, in the order of the specs."""


def named_settings(specs: Iterable[RunSpec]) -> list[NamedSettings]:
    """Return the name and the settings of each run, each pair once."""
    return list(dict.fromkeys(NamedSettings(s.track, conditions(s), s.rule.shown_as) for s in specs))


def by_settings(named: Iterable[NamedSettings]) -> NamesBySettings:
    """Index names by their settings."""
    found: dict[str, list[str]] = {}
    for each in named:
        if each.name not in found.setdefault(each.conditions, []):
            found[each.conditions].append(each.name)
    return found


def names_of(records: Sequence[RunRecord], names: NamesBySettings) -> tuple[str, ...]:
    """Return the names of a row's settings; a rule's own name among them says that the track runs the rule like this.

    Args:
        records: records of the same settings.
        names: names of settings; without any for these, the records' own names are used.

    """
    if names and (found := names.get(conditions(records[0].spec))):
        return tuple(found)
    return tuple(sorted({record.spec.rule.title for record in records if record.spec.rule.title}))
