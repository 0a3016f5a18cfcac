"""Set up Jinja: escape all text from records, so that none is live in a page; format numbers and names for people."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from pydantic_core import from_json

from benchsuite.papers.verdict_model import VERDICT_WORDS
from benchsuite.results import formatting
from benchsuite.results.model import BASELINE_RULE, RuleRow, TrackTable
from benchsuite.results.validity import summary_of
from benchsuite_leaderboard.json_text import compact_json
from benchsuite_leaderboard.names import row_name
from benchsuite_leaderboard.template_cache import template_cache


@cache
def template_environment() -> Environment:
    """Return the environment of the site's templates; one per process, since compiling them is slow."""
    environment = Environment(
        loader=PackageLoader("benchsuite_leaderboard", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=template_cache(),
    )
    # ``tojson`` writes <, >, & and ' as \u003c and so on.
    environment.policies["json.dumps_function"] = compact_json
    environment.policies["json.dumps_kwargs"] = {}
    for function in (
        formatting.percent,
        formatting.points,
        formatting.mean_sd,
        formatting.plain_mean_sd,
        formatting.interval,
        formatting.number,
        formatting.p_value,
        formatting.duration,
        formatting.rate_width,
        formatting.quantity,
        formatting.status_words,
        formatting.shown,
        formatting.settings,
        formatting.hardware_words,
        formatting.as_json,
        formatting.failure_lines,
    ):
        environment.filters[function.__name__] = function
    environment.filters["validity_words"] = summary_of
    environment.filters["fact_list"] = fact_list
    environment.filters["breakable"] = _breakable
    environment.filters["capitalized"] = _capitalized
    environment.filters["with_arxiv_links"] = _with_arxiv_links
    environment.filters["label_words"] = row_name
    environment.filters["field_words"] = field_words
    environment.filters["difference_places"] = difference_places
    environment.filters["verdict_words"] = VERDICT_WORDS.__getitem__
    environment.globals.update(baseline=BASELINE_RULE, best_row=_best_row, ties=_ties, baseline_row=_baseline_row)
    return environment


@lru_cache(maxsize=1024)
def fact_list(values: str) -> Markup:
    """Return settings as a list of names and values; runs of one track share network, data and machine.

    Args:
        values: nested settings as the JSON text of an object.

    """
    found = formatting.settings(from_json(values))
    texts = [formatting.shown(text) for each in found for text in each]
    # One call for all of them: what is shown holds no control character.
    escaped = iter(escape("\0".join(texts)).split("\0"))
    rows = [f"<dt>{field}</dt><dd>{value}</dd>" for field, value in zip(escaped, escaped, strict=True)] if texts else []
    return Markup(f"<dl>{''.join(rows)}</dl>")  # noqa: S704 - its texts are escaped above


def _breakable(name: str) -> Markup:
    """Let a long name wrap after its underscores."""
    return Markup("_<wbr>").join(name.split("_"))


PLACES = {"dataset": "data set", "architecture": "network", "data": "data"}
"""First words of a spec's fields, as a reader calls them."""


def field_words(path: str) -> str:
    """Return a spec's field in words: ``dataset.normalization.mean[0]`` becomes ``data set, normalization, mean 1``."""
    first, *rest = path.split(".")
    parts = [PLACES.get(first, first), *rest]
    numbered = (re.sub(r"\[(\d+)\]", lambda match: f" {int(match[1]) + 1}", part) for part in parts)
    return ", ".join(numbered).replace("_", " ")


def difference_places(paths: Iterable[str]) -> str:
    """Return the parts of a spec in which tables differ: ``data set and network``."""
    return " and ".join(dict.fromkeys(field_words(path.partition(".")[0]) for path in paths))


ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def _with_arxiv_links(citation: str) -> Markup:
    """Make a link of every arXiv number in a citation."""
    link = Markup('<a href="https://arxiv.org/abs/{0}">arXiv:{0}</a>')
    # Text and numbers take turns; joining escapes the text.
    parts = enumerate(ARXIV.split(formatting.shown(citation)))
    return Markup("").join(link.format(part) if place % 2 else part for place, part in parts)


def _capitalized(words: str) -> str:
    """Begin words with a capital letter and leave the others as they are."""
    return words[:1].upper() + words[1:]


def _best_row(table: TrackTable) -> RuleRow | None:
    return next((row for row in table.rows if row.versus_best == "best"), None)


def _ties(table: TrackTable) -> list[RuleRow]:
    return [row for row in table.rows if row.versus_best == "tie"]


def _baseline_row(table: TrackTable) -> RuleRow | None:
    return next((row for row in table.rows if row.is_baseline and row.test_error), None)
