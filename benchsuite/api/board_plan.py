"""Find what the site's front page needs beside records: the tasks of a suite, and what rules say of themselves."""

from __future__ import annotations

from collections.abc import Container, Iterable

from pydantic import ValidationError

from benchsuite.errors import BenchsuiteError
from benchsuite.registry.catalogue import Catalogue, RuleEntry, describe_rule
from benchsuite.registry.manager import Registry
from benchsuite.results.board_plan import FORMS, BoardPlan, BoardTask, RuleSetting, RuleWords, TrackWords
from benchsuite.results.rule_texts import EQUATIONS
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.track import SuiteSpec

EQUATION = "Equation:"
"""Begin of the paragraph of a rule's docstring that is its equation."""

PLAIN_VALUES = {"None": "none", "True": "yes", "False": "no"}

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
    return {
        name: _words(name, rule if isinstance(rule, RuleEntry) else describe_rule(rule))
        for name, rule in sorted(registry.rules.items())
    }


def track_words_of(library: SpecLibrary, tracks: Iterable[str]) -> dict[str, TrackWords]:
    """Return what the specs of tracks say of them; a track without a spec here is left out."""
    found = {}
    for track in sorted(set(tracks)):
        try:
            plain = library.load("tracks", track).plain()
        except BenchsuiteError:
            continue
        found[track] = TrackWords(*(str(plain.get(each) or "") for each in ("title", "description", "source")))
    return found


def _words(name: str, rule: RuleEntry) -> RuleWords:
    paragraphs = [" ".join(part.split()) for part in rule.doc.strip().split("\n\n")]
    stated = [part.removeprefix(EQUATION).strip() for part in paragraphs if part.startswith(EQUATION)]
    return RuleWords(
        short_name=str(rule.traits.get("short_name", "")),
        summary=paragraphs[0],
        source=str(rule.traits["source"]),
        forms=frozenset(rule.traits["forms"]),
        description="\n\n".join(part for part in paragraphs[1:] if not part.startswith(EQUATION)),
        equation=stated[0] if stated else EQUATIONS.get(name, ""),
        traits=rule.traits,
        settings=tuple(
            RuleSetting(
                field,
                PLAIN_VALUES.get(str(about["default"]), str(about["default"])),
                _kind_words(str(about["type"])),
                " ".join(str(about["meaning"]).replace("``", "").replace("*", "").split()),
                str(about.get("searched", "")),
            )
            for field, about in rule.hyperparameters.items()
        ),
    )


def _kind_words(kind: str) -> str:
    """Turn a Python annotation into words: ``Optional[Literal['a', 'b']]`` becomes ``a, b or none``."""
    plain = kind.removeprefix("<class '").removesuffix("'>")
    optional = plain.startswith("Optional[") or plain.endswith("| None")
    plain = plain.removeprefix("Optional[").removesuffix(" | None") if optional else plain
    plain = plain[:-1] if kind.startswith("Optional[") else plain
    names = {"float": "number", "int": "whole number", "bool": "yes or no", "str": "text"}
    if plain.startswith("Literal["):
        plain = plain.removeprefix("Literal[").removesuffix("]").replace("'", "")
    plain = names.get(plain, "table" if "[" in plain else plain.rpartition(".")[2])
    return f"{plain} or none" if optional else plain


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
