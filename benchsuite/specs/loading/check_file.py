"""Check one spec file, including the names it refers to and every tier and rule of a track."""

from __future__ import annotations

from pathlib import Path

from benchsuite.errors import Problem, SpecError, in_file_order, nearest
from benchsuite.specs.loading.check_claim import Directory
from benchsuite.specs.loading.check_study import check_study
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import KINDS, SPEC_KINDS, adapter_of, guess_kind
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.resolve_row import RuleDirectory, resolve_row
from benchsuite.specs.loading.row_selection import naming_problems
from benchsuite.specs.loading.rows import Row, has_variant, products_of, rows_of_suite, variants_of_track
from benchsuite.specs.loading.tree import Mark, Node, dig, read
from benchsuite.specs.models.base import DOCUMENTATION_FIELDS, TIERS
from benchsuite.specs.models.reference import ERRORS_PERCENT


def check_file(path: Path, library: SpecLibrary, directory: RuleDirectory) -> list[Problem]:
    """Return all problems of one spec file, including references, tiers and rule settings; empty if it is valid."""
    try:
        return in_file_order(_check_file(path, library, directory))
    except SpecError as error:
        return error.problems


def _check_file(path: Path, library: SpecLibrary, directory: RuleDirectory) -> list[Problem]:
    node = read(path)
    kind = guess_kind(path, node, library.studies)
    if kind is None:
        kinds = ", ".join(KINDS)
        return [node.mark.problem(f"unknown kind of spec; put the file into a folder named after its kind ({kinds})")]
    resolved = library.load_file(kind, path)
    if kind == "studies":
        return check_study(resolved, library.studies)[1]
    _, problems = check(adapter_of(kind), resolved, shape=SPEC_KINDS[kind].model)
    return problems or SPEC_KINDS[kind].check(resolved, library, directory)


def check_suite(node: Node, library: SpecLibrary, directory: RuleDirectory) -> list[Problem]:
    """Check the names of tracks and rules, and every variant on every one of its tracks, at every tier."""
    problems: list[Problem] = []
    tracks: dict[str, Node] = {}
    known = library.names("tracks")
    for prefix, product in products_of(node):
        for position, entry in enumerate(product.value["tracks"].value):
            name, field = entry.value, f"{prefix}tracks.{position}"
            if name not in known:
                problems.append(entry.mark.problem(_unknown("tracks", name, known), field))
            tracks[name] = library.load("tracks", name, entry.mark, field) if name in known else Node({}, entry.mark)
    for tier in TIERS:
        rows_by_track = rows_of_suite(node, tracks, tier)
        titles = sorted({row.title for rows in rows_by_track.values() for row in rows.values() if row.title})
        for name, row in ((name, row) for name, rows in rows_by_track.items() for row in rows.values()):
            wrong = naming_problems(row, directory, titles)
            if row.title and name in known and not wrong:
                wrong = resolve_row(tracks[name], tier, row, [], directory, [])[1]
            problems += [p for p in wrong if p not in problems]
    return problems


def check_reference(node: Node, library: SpecLibrary, directory: Directory) -> list[Problem]:
    """Check the names in entries that have a track; an entry with a setting may name rules that are not here."""
    problems = []
    metrics = sorted([*ERRORS_PERCENT, *directory.diagnostics])
    known = {"track": library.names("tracks"), "rule": sorted(directory.rules), "metric": metrics}
    entries = node.value["entries"].value
    for position, entry in enumerate(entries):
        if entry.get("track") is None:
            continue
        for part, names in known.items():
            found = entry.value[part]
            if found.value not in names:
                # Looked up only for names of no rule: it reads every suite.
                if part == "rule" and has_variant(str(entry.value["track"].value), str(found.value), library):
                    continue
                message = _unknown("diagnostics" if part == "metric" else f"{part}s", found.value, names)
                problems.append(found.mark.problem(message, f"entries.{position}.{part}"))
    return problems


def _unknown(part: str, name: str, known: list[str]) -> str:
    return f"no {part[:-1]} '{name}'{nearest(name, known)} (`benchsuite list {part}` shows all {len(known)})"


def check_track(node: Node, library: SpecLibrary, directory: RuleDirectory) -> list[Problem]:
    """Check every tier with the track's rules and variants, and the track that it stands in for."""
    tiers = node.get("tiers")
    names = ["paper", *(tiers.value if tiers else [])]
    variants = {tier: variants_of_track(node, tier) for tier in names}
    titles = {row.title for rows in variants.values() for row in rows.values()}
    settings_by_field = {"rules": node.get("rules")}
    for tier in tiers.value if tiers else []:
        settings_by_field[f"tiers.{tier}.rules"] = dig(tiers, tier, "rules")
    named: dict[str, None] = {}
    problems: list[Problem] = []
    for field, settings in settings_by_field.items():
        for rule, mark in settings.keys.items() if settings else ():
            if rule in titles:
                continue
            named[rule] = None
            if rule not in directory.rules:
                problems.append(mark.problem(f"no rule '{rule}'{nearest(rule, directory.rules)}", f"{field}.{rule}"))
    known = [r for r in named if r in directory.rules] or list(directory.rules)[:1]
    for tier in names:
        for row in (*(Row(rule, Mark(None)) for rule in known), *variants[tier].values()):
            found = naming_problems(row, directory) or resolve_row(node, tier, row, [], directory, known)[1]
            problems += [p for p in found if p not in problems]
    return [*problems, *_wrong_stand_in(node, library)]


_OWN_FIELDS_OF_A_COPY = DOCUMENTATION_FIELDS | {"name", "dataset", "stands_in_for"}


def _wrong_stand_in(node: Node, library: SpecLibrary) -> list[Problem]:
    """Return a problem if the track that this one stands in for is missing, or differs in more than its data."""
    named = node.get("stands_in_for")
    if named is None:
        return []
    original = library.load("tracks", str(named.value), named.mark, "stands_in_for").plain()
    copy = node.plain()
    differing = sorted(
        field
        for field in (original.keys() | copy.keys()) - _OWN_FIELDS_OF_A_COPY
        if original.get(field) != copy.get(field)
    )
    if not differing:
        return []
    message = f"differs from {named.value} in {', '.join(differing)}; a stand-in may differ in its dataset alone"
    return [named.mark.problem(message, "stands_in_for")]
