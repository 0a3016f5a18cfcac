"""Cards about one thing: what it is, its paper, where it fits, numbers and commands. Plain data in, parts out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from benchsuite.api.command_lines import CommandLine
from benchsuite.api.display import Part
from benchsuite.api.fitting import Column, FittedTable
from benchsuite.api.tables import rule_name
from benchsuite.papers.value_words import published_words, value_metric_words
from benchsuite.results.rule_style import STYLES
from benchsuite.specs.models.reference import PublishedValue, ReferenceSpec

MECHANISMS = {
    "replaced_feedback": "backprop's way, through other weights (replaced_feedback)",
    "direct_local_credit": "handed to each segment directly (direct_local_credit)",
    "own_gradients": "gradients of the rule's own, from local losses, energies or several passes (own_gradients)",
}
TOPOLOGIES = {"chain": "chains", "residual": "residual networks", "adopted": "modules of torch as they are"}
TRAITS = {
    "weight_transport": ("uses the forward weights for credit", "needs no weight transport"),
    "separate_phase": ("needs a phase of its own", "needs no phase beside forward and credit"),
    "learns_feedback": ("learns its feedback weights", ""),
    "own_inference": ("predicts in a way of its own", ""),
    "own_parameters": ("has parameters of its own", ""),
    "trains_hidden": ("", "trains the readout alone"),
    "hidden_update_is_backprop": ("hidden updates are backprop's", ""),
    "changes_forward_weights": ("changes forward weights itself", ""),
}
"""Declared traits in words, for True and for False; no words where it goes without saying."""

PUBLICATION = re.compile(r"\b(?:19|20)\d\d\b|arXiv:")
"""Marks of a source that is a publication; ``our choice`` has none of them."""

DROPPED = frozenset({"file", "name", "kind", "title", "description", "source", "statement", "summary", "from"})
"""Fields of a spec that its card shows elsewhere."""


@dataclass(frozen=True)
class Context:
    """The words of a card beside the thing itself.

    Attributes:
        references: published values.
        tracks: form and kind of the network of every track, by name.
        suites: plain content of every suite, by name.
        doc: the rule's docstring, if it is a rule.
        measured: tables of the store's records, as ``run`` shows them.

    """

    references: Sequence[ReferenceSpec]
    tracks: Mapping[str, tuple[str, str]]
    suites: Mapping[str, Mapping[str, Any]]
    doc: str = ""
    measured: Sequence[Part] = ()


def card(kind: str, name: str, content: Mapping[str, Any], context: Context) -> Iterator[Part]:
    """Yield the parts of one thing's card."""
    short = f" ({STYLES[name].short_name})" if kind == "rule" and name in STYLES else ""
    title = content.get("title")
    yield Text(f"{kind} {name}{short}{f' · {title}' if title else ''}", style="bold")
    summary = context.doc if kind == "rule" else content.get("summary")
    summary = summary or content.get("statement") or content.get("description") or ""
    for paragraph in str(summary).split("\n\n"):
        yield f"  {' '.join(paragraph.split())}"
    yield ""
    rows = FittedTable([Column("field"), Column("value", wraps=True)], header=False)
    for label, value in _rule_rows(name, content, context) if kind == "rule" else _rows(kind, name, content, context):
        if value:
            rows.add_row(Text(f"  {label}", style="dim"), value)
    yield rows
    if kind == "rule" and isinstance(content.get("hyperparameters"), Mapping):
        yield ""
        yield _hyperparameters(content["hyperparameters"])
    yield from _published(kind, name, context)
    if kind in {"rule", "track"}:
        for part in context.measured:
            yield ""
            yield part
    for number, command in enumerate(_commands(kind, name)):
        if not number:
            yield ""
        yield CommandLine(command, indent=2)


def _rule_rows(name: str, content: Mapping[str, Any], context: Context) -> Iterator[tuple[str, str]]:
    traits = content["traits"]
    yield "paper", traits["source"]
    yield "credit", MECHANISMS.get(traits["mechanism"], traits["mechanism"])
    yield "runs on", "; ".join(_needs(traits))
    yield "declares", "; ".join(filter(None, (words[not traits[trait]] for trait, words in TRAITS.items())))
    fitting = [track for track, network in context.tracks.items() if _fits(traits, *network)]
    if fitting:
        core = [track for track in fitting if track.startswith("core-")] or fitting
        some = ", ".join(core[:4])
        yield "tracks", f"{len(fitting)} of {len(context.tracks)} have its form of network: {some}, …"
    yield "suites", ", ".join(suite for suite, plain in context.suites.items() if name in _texts(plain))
    yield "from", content["from"]


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in plain data, such as the tracks and rules of a suite, however it groups them."""
    if isinstance(value, Mapping):
        yield from (text for item in value.items() for text in _texts(item))
    elif isinstance(value, list | tuple):
        yield from (text for item in value for text in _texts(item))
    elif isinstance(value, str):
        yield value


def _needs(traits: Mapping[str, Any]) -> Iterator[str]:
    yield f"{', '.join(sorted(traits['forms']))} networks"
    yield ", ".join(TOPOLOGIES.get(topology, topology) for topology in sorted(traits["topologies"]))
    for field, words in (("map_kinds", "maps"), ("activations", "nonlinearities"), ("losses", "losses")):
        if traits[field] is not None:
            yield f"{words}: {', '.join(sorted(traits[field]))}"
    if traits["min_hidden_segments"]:
        yield f"at least {traits['min_hidden_segments']} hidden segments"
    if traits["min_precision"] != "bf16":
        yield f"numbers in {traits['min_precision']} or finer"
    yield from (f"no {field}" for field in ("norms", "dropout") if not traits[field])


def _fits(traits: Mapping[str, Any], form: str, kind: str) -> bool:
    topology = {"chain": "chain", "resnet": "residual"}.get(kind, "adopted")
    return form in traits["forms"] and topology in traits["topologies"]


def _rows(kind: str, name: str, content: Mapping[str, Any], context: Context) -> Iterator[tuple[str, str]]:
    if content.get("statement") and content.get("description"):
        yield "more", str(content["description"])
    source = str(content.get("source", ""))
    yield "paper" if PUBLICATION.search(source) else "source", source
    for field, value in content.items():
        if field in DROPPED or (kind == "reference" and field == "entries"):
            continue
        if kind == "track" and field in {"dataset", "architecture"} and isinstance(value, Mapping):
            yield field, _part_words(value)
        elif field == "problems":
            yield "problems", "; ".join(map(str, value))
        else:
            yield field.replace("_", " "), in_words(value)
    if kind == "track":
        yield "suites", ", ".join(suite for suite, plain in context.suites.items() if name in _texts(plain))
    yield "from", str(content.get("file") or content.get("from", ""))


def _part_words(value: Mapping[str, Any]) -> str:
    """Return a track's data set or network in one sentence: its name, title, description, and what is special."""
    named = f"{value.get('name', '')}: {value.get('description') or value.get('title', '')}"
    rest = {k: v for k, v in value.items() if k not in DROPPED}
    return f"{named} {in_words(rest)}" if rest else named


def in_words(value: Any) -> str:
    """Return plain data on one line: ``adam, learning rate 0.0003; epochs 190``."""
    if isinstance(value, Mapping):
        kind = value.get("kind")
        parts = [str(kind)] if kind is not None else []
        parts += [_pair(str(k).replace("_", " "), v) for k, v in value.items() if k != "kind"]
        return ", ".join(parts)
    if isinstance(value, list | tuple):
        return (
            "; ".join(map(in_words, value))
            if any(isinstance(v, Mapping) for v in value)
            else ", ".join(map(in_words, value))
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())


def _pair(name: str, value: Any) -> str:
    words = in_words(value)
    if name.startswith("every ") and isinstance(value, int):
        unit = name.removeprefix("every ")
        return f"every {unit.removesuffix('s')}" if value == 1 else f"every {words} {unit}"
    return f"{name} ({words})" if isinstance(value, Mapping | list) and words else f"{name} {words}".rstrip()


def _hyperparameters(found: Mapping[str, Mapping[str, Any]]) -> FittedTable:
    table = FittedTable([Column("setting"), Column("default"), Column("meaning", wraps=True)])
    for name, field in found.items():
        default = "–" if field["default"] in (None, {}) else in_words(field["default"])
        table.add_row(f"  {name}", default, " ".join(field["meaning"].split()))
    return table


def _published(kind: str, name: str, context: Context) -> Iterator[Part]:
    """Yield the table of published errors of a rule or on a track, and how many other values there are."""
    found: list[tuple[ReferenceSpec, PublishedValue]] = [
        (reference, entry)
        for reference in context.references
        for entry in reference.entries
        if (kind == "rule" and entry.rule == name)
        or (kind == "track" and entry.track == name)
        or (kind == "reference" and reference.name == name)
    ]
    if not found:
        return
    errors = [each for each in found if each[1].is_error and each[1].epoch == "last"] or found
    yield ""
    where = [Column("rule")] if kind != "rule" else []
    where += [Column("track")] if kind != "track" else []
    numbers = [Column("metric", wraps=True), Column("value", right=True), Column("runs", 0, right=True)]
    table = FittedTable([*where, *numbers], "published")
    for reference, entry in errors:
        table.add_row(
            *([rule_name(entry.rule)] if kind != "rule" else []),
            *([entry.track or entry.setting] if kind != "track" else []),
            value_metric_words(entry),
            published_words(entry),
            str(reference.runs_of(entry) or ""),
        )
    others = len(found) - len(errors)
    more = [f"and {others} more values: `benchsuite claims --published`"] if others else []
    table.notes = [*_sources(reference for reference, _ in found), *more]
    yield table


def _sources(references: Iterable[ReferenceSpec]) -> list[str]:
    return list(dict.fromkeys(f"from {reference.source}" for reference in references))


def _commands(kind: str, name: str) -> list[str]:
    if kind == "rule":
        return [f"benchsuite plan core --rules {name}", f"benchsuite audit {name}"]
    if kind in {"track", "suite"}:
        return [f"benchsuite plan {name}", f"benchsuite run {name}"]
    if kind == "study":
        return [f"benchsuite run {name}"]
    if kind == "dataset":
        return [f"benchsuite data verify {name}"]
    return ["benchsuite claims --records leaderboard/records"] if kind in {"claim", "reference"} else []
