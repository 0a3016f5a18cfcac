"""Sort records into groups of comparable runs: of one track, tier, data fingerprint, data set spec and network spec."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchsuite.records.model import RunRecord
from benchsuite.results.model import Difference
from benchsuite.specs.models.base import TIERS, Tier, strip_documentation
from benchsuite.specs.models.track import RunSpec

ABSENT = "absent"
_MISSING = object()

# ``json.dumps`` makes an encoder per call, which takes as long as writing a value.
READABLE = json.JSONEncoder(ensure_ascii=False, default=str)
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)


@dataclass(frozen=True)
class Group:
    """The records of one table, oldest first within a seed."""

    track: str
    tier: Tier
    fingerprint: str | None
    dataset: dict[str, Any]
    architecture: dict[str, Any]
    records: tuple[RunRecord, ...]

    @property
    def key(self) -> str:
        """Return the key that distinguishes this table from all others."""
        return canonical([self.track, self.tier, self.fingerprint, self.dataset, self.architecture])


def group_records(records: Iterable[RunRecord]) -> list[Group]:
    """Sort records into groups of comparable runs, in an order that does not depend on the order given.

    A record that occurs twice counts once. A run that ended before its data were loaded has no fingerprint: it joins
    the runs of the same spec if they all used the same data, and has a group of its own otherwise.
    """
    sorted_by_spec: dict[tuple[str, Tier, str, str], dict[str | None, list[RunRecord]]] = {}
    for record in oldest_first(records):
        spec = record.spec
        key = (spec.track, spec.tier, canonical(plain(spec.dataset)), canonical(plain(spec.architecture)))
        fingerprint = record.data.fingerprint if record.data else None
        sorted_by_spec.setdefault(key, {}).setdefault(fingerprint, []).append(record)
    groups = []
    for (track, tier, _, _), by_fingerprint in sorted_by_spec.items():
        known = [f for f in by_fingerprint if f is not None]
        if len(known) == 1 and None in by_fingerprint:
            by_fingerprint = {known[0]: oldest_first(by_fingerprint[known[0]] + by_fingerprint[None])}
        for fingerprint, members in by_fingerprint.items():
            dataset, architecture = plain(members[0].spec.dataset), plain(members[0].spec.architecture)
            groups.append(Group(track, tier, fingerprint, dataset, architecture, tuple(members)))
    return sorted(groups, key=lambda g: (g.track, TIERS.index(g.tier), g.key))


def distinguishing_fields(groups: Sequence[Group]) -> dict[str, tuple[Difference, ...]]:
    """Return the fields in which groups of the same track and tier differ, by the groups' keys."""
    found: dict[str, tuple[Difference, ...]] = {}
    for group in groups:
        siblings = [g for g in groups if (g.track, g.tier) == (group.track, group.tier)]
        found[group.key] = differing_fields(_identity(group), [_identity(g) for g in siblings])
    return found


def _identity(group: Group) -> dict[str, Any]:
    return {
        "dataset": group.dataset,
        "architecture": group.architecture,
        "data.fingerprint": group.fingerprint[:12] if group.fingerprint else "unknown",
    }


def differing_fields(value: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
    """Return the fields of ``value`` that are not the same in all of ``others``, in the order of paths.

    A part that some of them lack completely, such as a third layer, is one difference and not one per field in it.
    """
    return tuple(Difference(path, text) for path, text in _differ("", [value, *others]))


def _differ(path: str, values: Sequence[Any]) -> Iterator[tuple[str, str]]:
    if all(isinstance(v, Mapping) for v in values):
        for key in sorted(set().union(*values)):
            yield from _differ(f"{path}.{key}" if path else str(key), [v.get(key, _MISSING) for v in values])
    elif all(isinstance(v, list) for v in values):
        for index in range(max(map(len, values))):
            yield from _differ(f"{path}[{index}]", [v[index] if index < len(v) else _MISSING for v in values])
    elif len({ABSENT if v is _MISSING else canonical(v) for v in values}) > 1:
        yield path, compact(values[0])


def compact(value: Any) -> str:
    """Return a field's value as JSON, without unset fields."""
    if value is _MISSING:
        return ABSENT
    if isinstance(value, Mapping):
        value = {k: v for k, v in value.items() if v is not None}
    return READABLE.encode(value)


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every leaf of nested plain data as (path, JSON text)."""
    if isinstance(value, Mapping) and value:
        for key, member in value.items():
            yield from flatten(member, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for index, member in enumerate(value):
            yield from flatten(member, f"{path}[{index}]")
    else:
        yield path, READABLE.encode(value)


def plain(model: Any) -> dict[str, Any]:
    """Return a spec as plain data, without the descriptions that cannot change a number."""
    stripped: dict[str, Any] = strip_documentation(model.model_dump(mode="json"))
    return stripped


def conditions(spec: RunSpec) -> str:
    """Return a run's identity without seed, machine and diagnostics: the conditions of a published number."""
    parts = (spec.dataset, spec.architecture, spec.protocol, spec.pretraining, spec.rule)
    return canonical([spec.track, spec.tier, *(plain(part) for part in parts)])


def oldest_first(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Remove exact copies and sort by rule, seed and end time; the result does not depend on the order given."""
    alike: dict[tuple[str, int, datetime], list[RunRecord]] = defaultdict(list)
    for record in records:
        alike[record.spec.rule.name, record.spec.seed, _utc(record.ended_at)].append(record)
    ordered = []
    for _, found in sorted(alike.items()):
        # Texts only where they decide: writing a record takes as long as reading it.
        unique = {record.model_dump_json(): record for record in found} if len(found) > 1 else {"": found[0]}
        ordered += [record for _, record in sorted(unique.items())]
    return ordered


def canonical(value: Any) -> str:
    """Return a text that is equal for equal data; unlike the spec's own, it accepts any content of an old record."""
    return CANONICAL.encode(value)


def short_hash(text: str) -> str:
    """Return a hash of a text as twelve hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _utc(moment: datetime) -> datetime:
    """Return a moment in UTC; one without a time zone is taken as UTC, so that the same records give the same site."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
