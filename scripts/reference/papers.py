"""The page of the papers: every published value, claim and study, with what runs it and what the records say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reference.ask import one_line, table

from benchsuite.api.records import load_records
from benchsuite.api.workspace import open_workspace
from benchsuite.papers.claim_cases import Case, expand_claims
from benchsuite.papers.measured_values import MeasuredValue, compare_with_published
from benchsuite.papers.missing import command_for
from benchsuite.papers.published import published_numbers
from benchsuite.papers.value_words import difference_words, measured_words, published_words, value_metric_words
from benchsuite.papers.verdict_model import ClaimVerdict, NeededRun
from benchsuite.papers.verdict_words import ON_A_COPY, limit_words, metric_words, missing_words
from benchsuite.papers.verdicts import judge, question
from benchsuite.records.store import STUDIES, read_studies
from benchsuite.records.study import StudyRecord
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import adapter_of
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.rows import products_of

RECORDS = Path(__file__).resolve().parents[2] / "leaderboard" / "records"

HEAD = ("what", "compared with", "verdict", "run by")

MOST_SEGMENTS = 5
"""Number of segments up to which a row names each."""

INTRODUCTION = """---
hide:
  - toc
---

# Papers

Every published value, checkable statement and study of the papers, generated from the spec files, with the verdict of
the records that are committed in `leaderboard/records`. [Claims and audit](../concepts/claims.md) says how they are
judged.

"""


@dataclass
class _Paper:
    """The rows of one paper."""

    suites: list[str] = field(default_factory=list)
    claims: list[tuple[str, ...]] = field(default_factory=list)
    studies: list[tuple[str, ...]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    values: list[tuple[str, ...]] = field(default_factory=list)


def page(records: Path = RECORDS) -> str:
    """Return the page in Markdown.

    Args:
        records: folder of the records that decide.

    """
    workspace = open_workspace()
    library, registry = workspace.library, workspace.registry
    found = load_records(records)
    cells = {(record.spec.track, record.spec.tier) for record in found}
    expanded = expand_claims(library, registry, lambda track, tier: (track, tier) in cells)
    numbers = published_numbers(library, registry, lambda track, tier: (track, tier) in cells)
    suites = _suites(library)
    papers = {name: _Paper() for name in sorted({_name_of(each.claim.source) for each in expanded})}
    for each, verdict in zip(expanded, judge(expanded, found), strict=True):
        papers[_name_of(each.claim.source)].claims.append(_claim_row(each.cases, verdict, suites))
    for value in compare_with_published(numbers, found):
        for paper in _papers_of(value.source, papers):
            papers[paper].sources.setdefault(value.reference, value.source)
            papers[paper].values.append(_value_row(value, suites))
    for name, source, command in _commands(library):
        for paper in _papers_of(source, papers):
            papers[paper].suites.append(f"`{name}`: `{command}`")
    for row, source in _study_rows(library, records):
        for paper in _papers_of(source, papers):
            papers[paper].studies.append(row)
    return INTRODUCTION + "".join(_section(name, paper) for name, paper in papers.items())


def _section(name: str, paper: _Paper) -> str:
    text = f"## {name}\n\n"
    if paper.suites:
        text += "Suites of this paper:\n\n" + "".join(f"- {line}\n" for line in paper.suites) + "\n"
    if paper.sources:
        text += "Published values:\n\n" + "".join(f"- `{n}`: {s}\n" for n, s in paper.sources.items()) + "\n"
    rows = table(HEAD, [*paper.claims, *paper.studies, *paper.values])
    return f'{text}<div class="papers" markdown="1">\n\n{rows}\n</div>\n\n'


def _name_of(source: str) -> str:
    """Return the paper that a claim's source names: the text before its first comma."""
    return source.partition(",")[0].strip()


def _papers_of(source: str, papers: Iterable[str]) -> list[str]:
    """Return the papers that a source mentions, without what they have in brackets."""
    return [name for name in papers if name.partition(" (")[0] in source]


def _place(source: str) -> str:
    """Return the place within a paper, with a comma before it."""
    place = source.partition(",")[2].strip()
    return f", {place}" if place else ""


def _claim_row(cases: Sequence[Case], verdict: ClaimVerdict, suites: Mapping[str, list[str]]) -> tuple[str, ...]:
    claim = verdict.claim
    tier = verdict.tier or (verdict.missing.tier if verdict.missing else claim.tiers[0])
    of_tier = [case for case in cases if case.tier == tier]
    runs = [
        NeededRun(arm.track, arm.rule, claim.minimum_seeds - 1, arm.settings) for case in of_tier for arm in case.arms
    ]
    settings = dict.fromkeys(case.comparison.setting for case in of_tier if case.comparison.setting)
    command = command_for(tier, runs) if runs else ""
    return (
        one_line(f"**{claim.shown_as}** (`{claim.name}`){_place(claim.source)}"),
        "<br>".join(dict.fromkeys(one_line(_compared(case)) for case in of_tier)),
        one_line(_verdict(verdict, command)),
        one_line(_run_by(command, [run.track for run in runs], suites) or f"no track yet: {'; '.join(settings)}"),
    )


def _compared(case: Case) -> str:
    """Return a comparison in words, for all its segments at once."""
    comparison = case.comparison
    asked = question(replace(case, left=None, right=None))
    names = comparison.segments
    shown = ", ".join(names) if len(names) <= MOST_SEGMENTS else f"{names[0]} to {names[-1]} ({len(names)} segments)"
    segments = f", in {'most of ' if comparison.layers == 'most' else ''}{shown}" if names else ""
    limit = f" (difference {limit_words(comparison)})" if comparison.margin else ""
    return f"{metric_words(comparison)}: {asked}{limit}{segments}"


def _run_by(command: str, tracks: Iterable[str], suites: Mapping[str, list[str]]) -> str:
    of_suites = dict.fromkeys(suite for track in tracks for suite in suites.get(track, ()))
    listed = f" (suite {', '.join(f'`{name}`' for name in of_suites)})" if of_suites else ""
    return f"`{command}`{listed}" if command else ""


def _verdict(verdict: ClaimVerdict, command: str) -> str:
    text = f"**{verdict.words}**" + (f" ({verdict.tier} tier)" if verdict.tier else "")
    if verdict.missing:
        text += f"; missing {missing_words(verdict.missing)}"
        text += "" if verdict.missing.command == command else f": `{verdict.missing.command}`"
    if verdict.on_copy:
        tier = f" ({verdict.on_copy.tier} tier)" if verdict.on_copy.tier else ""
        text += f"; {ON_A_COPY}: **{verdict.on_copy.words}**{tier}"
    return text


def _value_row(each: MeasuredValue, suites: Mapping[str, list[str]]) -> tuple[str, ...]:
    value = each.value
    if each.measured is not None:
        verdict = f"measured {measured_words(each)}, difference {difference_words(each)}"
    else:
        verdict = each.remark or ("no records" if value.track else "no track yet")
    note = f" ({value.note})" if value.note else ""
    return (
        one_line(f"`{each.reference}`: {value.rule}, {value_metric_words(value)}{note}"),
        one_line(f"{published_words(value)}{f' (n = {each.runs})' if each.runs else ''}"),
        one_line(verdict),
        one_line(_run_by(each.command, [value.track or ""], suites) or f"no track yet: {value.setting}"),
    )


def _suites(library: SpecLibrary) -> dict[str, list[str]]:
    """Return the suites that run each track."""
    found: dict[str, list[str]] = {}
    for name in library.names("suites"):
        for _, product in products_of(library.load("suites", name)):
            for entry in product.value["tracks"].value:
                of_track = found.setdefault(str(entry.value), [])
                of_track += [name] if name not in of_track else []
    return found


def _commands(library: SpecLibrary) -> Iterator[tuple[str, str, str]]:
    """Yield (name, source, command) of every suite."""
    for name in library.names("suites"):
        suite, _ = check(adapter_of("suites"), library.load("suites", name))
        if suite is not None:
            yield name, suite.source, f"benchsuite run {name} --tier paper"


def _study_rows(library: SpecLibrary, records: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the row and the source of every study."""
    made = {study.spec.name for study in read_studies(records / STUDIES) if isinstance(study, StudyRecord)}
    for name in library.names("studies"):
        node = library.load("studies", name).plain()
        source = str(node.get("source", ""))
        row = (
            one_line(f"**{node.get('title', name)}** (study `{name}`){_place(source)}"),
            "its figures, on the board",
            "measured" if name in made else "no records",
            one_line(f"`benchsuite run {name}`"),
        )
        yield row, source
