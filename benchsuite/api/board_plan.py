"""Find what the site's front page needs beside records: the tasks of a suite, and what rules say of themselves."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from pydantic import ValidationError

from benchsuite.errors import BenchsuiteError
from benchsuite.registry.catalogue import Catalogue
from benchsuite.registry.manager import Registry
from benchsuite.results.board_plan import FORMS, BoardPlan, BoardTask, RuleWords
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.track import SuiteSpec

BOARD_SUITE = "core"
"""The suite that the front page is about."""


def board_plan_of(library: SpecLibrary, measured: Container[str], suite: str = BOARD_SUITE) -> BoardPlan | None:
    """Return the tasks of a suite; None without such a suite, or if it is wrong, which ``validate`` reports.

    The tracks of one task have the same name, with the form at the end unless it is ordinary.

    Args:
        library: the library to look specs up in.
        measured: tracks that have records; if none of the suite's is among them, there is no board to plan.
        suite: name of the suite.

    """
    try:
        spec = SuiteSpec.model_validate({**library.load("suites", suite).plain(), "name": suite})
    except (BenchsuiteError, ValidationError):
        return None
    # A cell that defines variants holds controls, which have no row on the board.
    cells = [cell for cell in spec.cells if all(isinstance(row, str) for row in cell.rules)]
    if not any(track in measured for cell in cells for track in cell.tracks):
        return None
    tracks = {track: _form_and_title(library, track) for cell in cells for track in cell.tracks}
    tasks: dict[str, dict[str, str]] = {}
    for track, (form, _) in tracks.items():
        tasks.setdefault(track.removesuffix(f"-{form}"), {})[form] = track
    found = []
    for name, by_form in tasks.items():
        rules: dict[str, str] = {}
        tiers: set[Tier] = set()
        for form in sorted(by_form, key=_place):
            for cell in cells:
                if by_form[form] in cell.tracks:
                    tiers |= set(cell.tiers)
                    for rule in cell.rules:
                        rules.setdefault(str(rule), form)
        title = next((tracks[t][1] for t in by_form.values()), name)
        title = title.removeprefix(f"{suite.capitalize()}, ")
        found.append(BoardTask(name, title, by_form, rules, frozenset(tiers)))
    return BoardPlan(spec.shown_as, spec.tier, spec.seeds, tuple(found))


def rule_words_of(registry: Registry | Catalogue) -> dict[str, RuleWords]:
    """Return what each rule says of itself, by its name."""
    if isinstance(registry, Catalogue):
        return {name: _words(rule.doc, rule.traits) for name, rule in sorted(registry.rules.items())}
    return {
        name: _words(rule.__doc__ or "", rule.traits.model_dump(mode="json"))
        for name, rule in sorted(registry.rules.items())
    }


def _words(doc: str, traits: Mapping[str, Any]) -> RuleWords:
    summary = " ".join(doc.strip().partition("\n\n")[0].split())
    return RuleWords(traits.get("short_name", ""), summary, traits["source"], frozenset(traits["forms"]))


def _form_and_title(library: SpecLibrary, track: str) -> tuple[str, str]:
    """Return the form of a track's network, and its title without the words on the form."""
    try:
        plain = library.load("tracks", track).plain()
    except BenchsuiteError:
        return FORMS[0], track
    form = str((plain.get("architecture") or {}).get("form") or FORMS[0])
    return form, str(plain.get("title") or track).removesuffix(f", {form} form")


def _place(form: str) -> int:
    return FORMS.index(form) if form in FORMS else len(FORMS)
