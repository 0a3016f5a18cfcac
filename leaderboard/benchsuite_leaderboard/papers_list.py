"""The papers that rules, claims and published values cite, each with what the site has of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchsuite.papers.measured_values import MeasuredValue
from benchsuite.papers.verdict_model import VERDICT_WORDS, ClaimVerdict
from benchsuite.results.board_plan import RuleWords

_NAME = r"[^\W\d_a-z][\w'’-]+"
CITED = re.compile(
    rf"(?P<authors>(?P<first>{_NAME})(?: et al\.|(?:, {_NAME})*(?:,? & {_NAME})?)?) (?P<year>(?:19|20)\d\d)\b"
    r"(?: \((?P<nickname>[^()]{1,40})\))?"
    r"|arXiv:(?P<arxiv>\d{4}\.\d{4,5})(?: \((?P<subject>[^()]{1,60})\))?"
)
"""Authors and year, as in ``Clark et al. 2021 (GEVB)``, or an arXiv number."""


@dataclass
class Paper:
    """One paper."""

    key: str
    """First author and year, or the arXiv number if no citation names authors."""
    authors: str = ""
    """Authors and year, in the longest form that is cited."""
    subject: str = ""
    """A word on its content, as citations have it in brackets."""
    arxiv: str = ""
    rules: list[str] = field(default_factory=list)
    claims: list[ClaimVerdict] = field(default_factory=list)
    values: dict[str, list[MeasuredValue]] = field(default_factory=dict)
    """Published values that were measured here, by the name of their file."""

    @property
    def title(self) -> str:
        """Return authors, year and subject."""
        name = self.authors or f"arXiv:{self.arxiv}"
        return f"{name} ({self.subject})" if self.subject else name

    @property
    def anchor(self) -> str:
        """Return the place on the page of papers."""
        return "paper-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in self.key.lower())

    @property
    def verdicts(self) -> list[tuple[str, int]]:
        """Return the number of claims by verdict, in words; verdicts without claims are left out."""
        counts = {words: sum(c.verdict == v for c in self.claims) for v, words in VERDICT_WORDS.items()}
        return [(words, count) for words, count in counts.items() if count]


@dataclass(frozen=True)
class _Citation:
    key: str
    authors: str
    subject: str
    arxiv: str


def papers_of_site(
    rules: Mapping[str, RuleWords], claims: Iterable[ClaimVerdict], values: Sequence[MeasuredValue]
) -> list[Paper]:
    """Return every paper that is cited, by title.

    Citations of one paper differ in their words: they share first author and year, or an arXiv number.

    Args:
        rules: what rules say of themselves, with their sources.
        claims: verdicts from ``judge``.
        values: published values beside ours.

    """
    claims = list(claims)
    sources = [*(words.source for words in rules.values()), *(claim.claim.source for claim in claims)]
    names = {c.arxiv: c.key for source in sources for c in _citations(source) if c.arxiv and c.authors}
    found: dict[str, Paper] = {}

    def papers_in(source: str) -> list[Paper]:
        papers = []
        for cited in _citations(source):
            key = names.get(cited.arxiv, cited.key)
            paper = found.setdefault(key, Paper(key))
            paper.authors = max(paper.authors, cited.authors, key=len)
            paper.subject = paper.subject or cited.subject
            paper.arxiv = paper.arxiv or cited.arxiv
            papers.append(paper)
        return list({paper.key: paper for paper in papers}.values())

    for name, words in sorted(rules.items()):
        for paper in papers_in(words.source):
            paper.rules.append(name)
    for claim in claims:
        for paper in papers_in(claim.claim.source):
            paper.claims.append(claim)
    for value in values:
        for paper in papers_in(value.source):
            paper.values.setdefault(value.reference, []).append(value)
    return sorted(found.values(), key=lambda paper: (paper.title.lower(), paper.key))


def place_in_paper(source: str) -> str:
    """Return the part of a citation after the papers that it names: ``Tables 1 (MNIST) and 2 (CIFAR-10)``."""
    end = max((match.end() for match in CITED.finditer(source)), default=0)
    return source[end:].strip(" ,;:.") or source


def paper_title(source: str) -> str:
    """Return the first paper of a citation, authors and year; what is before its first comma if it names none."""
    cited = CITED.search(source)
    return cited[0] if cited else source.partition(",")[0].strip()


def _citations(source: str) -> Iterator[_Citation]:
    """Yield the papers that a citation names; an arXiv number belongs to the authors right before it."""
    waiting: _Citation | None = None
    end = 0
    for match in CITED.finditer(source):
        arxiv = match["arxiv"] or ""
        if arxiv:
            if waiting and ";" not in source[end : match.start()]:
                yield _Citation(waiting.key, waiting.authors, waiting.subject, arxiv)
                waiting = None
            else:
                yield _Citation(arxiv, "", match["subject"] or "", arxiv)
            continue
        if waiting:
            yield waiting
        key = f"{match['first']} {match['year']}"
        end = match.end()
        waiting = _Citation(key, f"{match['authors']} {match['year']}", match["nickname"] or "", "")
    if waiting:
        yield waiting
