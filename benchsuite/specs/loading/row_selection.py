"""Select rows: the rules and variants that a request names, on the tracks that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Protocol

from benchsuite.errors import EmptySelectionError, PluginError, Problem, SpecError, nearest
from benchsuite.specs.loading.rows import Row, Rows
from benchsuite.specs.loading.tree import Mark, dig
from benchsuite.specs.models.variant import slug_of

RowsElsewhere = Callable[[str], Mapping[str, Sequence[Row]]]
"""Returns all variants of a track by key, whichever suite defines them; called only if a name needs it."""

PATTERN_CHARACTERS = "*?["


class KnownRules(Protocol):
    """The rules that a request may name; the registry implements this."""

    @property
    def rules(self) -> Mapping[str, Any]:
        """All usable rules by name."""

    def rule_config(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a rule's hyperparameters with defaults filled in; raises SpecError or PluginError."""


def select_rows(
    subject: str,
    asked: Sequence[str],
    own: Mapping[str, Rows],
    own_only: bool,
    directory: KnownRules,
    elsewhere: RowsElsewhere,
) -> dict[str, list[Row]]:
    """Return the rows to run on each track.

    Rows selected by name or pattern replace the target's own. But a row that a suite has on some tracks only is kept to
    those, so that selecting half of a table does not create pairs that make no sense.

    Args:
        subject: the target's name, for messages.
        asked: names or patterns; the name of a variant may be split at its commas. Empty for the target's own rows.
        own: by track, the rows that the target defines.
        own_only: True for a suite, which names all its rules; False for a track, which runs all that are installed.
        directory: the known rules.
        elsewhere: finds variants that only other suites define.

    Raises:
        SpecError: if a name is unknown, or a variant's name or rule is wrong.
        EmptySelectionError: if no rule matches.

    """
    rows_by_key = {key: row for rows in own.values() for key, row in rows.items()}
    others = _Elsewhere(own, elsewhere)
    if asked:
        keys = _keys_asked_for(subject, asked, rows_by_key, directory, others)
    else:
        keys = [*rows_by_key] if own_only else [*sorted(directory.rules), *rows_by_key]
    if not keys:
        known = ", ".join([*sorted(directory.rules), *(row.title for row in rows_by_key.values() if row.title)])
        raise EmptySelectionError(f"no installed rule matches {', '.join(asked)}; there are {known}")
    chosen: dict[str, list[Row]] = {}
    for track, here in own.items():
        chosen[track] = []
        for key in keys:
            if key in here:
                chosen[track].append(here[key])
            elif key in directory.rules and key not in rows_by_key:
                chosen[track].append(Row(key, Mark(None)))
            elif key not in rows_by_key and (found := others.find(track, key)):
                chosen[track].append(found)
    # Only of the rows to run: a suite may name rules that are not installed here.
    titles = [row.title for row in rows_by_key.values() if row.title]
    problems = [p for rows in chosen.values() for row in rows for p in naming_problems(row, directory, titles)]
    if problems:
        raise SpecError(dict.fromkeys(problems), subject=subject)
    return chosen


def naming_problems(row: Row, directory: KnownRules, variants: Iterable[str] = ()) -> list[Problem]:
    """Return the problems of a row's rule and name; ``variants`` are further names for did-you-mean."""
    if row.rule not in directory.rules:
        mark = rule.mark if (rule := dig(row.settings, "rule")) else row.mark
        titles = () if row.title else variants
        return [mark.problem(why_no_rule(row.rule, directory, titles), f"{row.field}.rule" if row.title else row.field)]
    taken = {slug_of(rule): rule for rule in directory.rules}.get(row.key if row.title else "")
    if taken is None:
        return []
    what = "the name of this rule" if taken == row.rule else f"the name of another rule, and this is {row.rule}"
    return [row.mark.problem(f"'{row.title}' is {what}; give the variant a name of its own", row.field)]


def why_no_rule(name: str, directory: KnownRules, variants: Iterable[str] = ()) -> str:
    """Return the reason why no rule, and none of the variants, has a name; with the nearest of both."""
    titles = list(variants)
    here = f"; variants here: {', '.join(map(repr, titles))}" if titles else ""
    if near := nearest(slug_of(name), map(slug_of, titles)):
        return f"no rule or variant '{name}'{near}{here}"
    try:
        directory.rule_config(name, {})
    except PluginError as error:
        return f"{error}{here}"
    return f"no rule '{name}'{nearest(name, directory.rules)}{here}"


def _keys_asked_for(
    subject: str, asked: Sequence[str], own: Rows, directory: KnownRules, others: _Elsewhere
) -> list[str]:
    """Return the keys of the rows asked for, in this order."""
    variants = {key: row for key, row in own.items() if row.title}
    if any(not is_pattern(text) and text not in directory.rules and slug_of(text) not in variants for text in asked):
        variants |= others.all()
    chosen: dict[str, None] = {}
    problems = []
    for name in _joined(asked, variants):
        if is_pattern(name):
            names: dict[str, tuple[str, ...]] = {rule: (rule,) for rule in sorted(directory.rules)}
            names |= {key: (key, row.title) for key, row in own.items() if row.title}
            chosen.update(dict.fromkeys(key for key, of in names.items() if any(fnmatchcase(n, name) for n in of)))
        elif name in directory.rules:
            chosen[name] = None
        elif (key := slug_of(name)) in variants:
            problems += [] if key in own else others.ambiguities(key, name)
            chosen[key] = None
        else:
            titles = [row.title for row in variants.values()]
            problems.append(Problem(why_no_rule(name, directory, titles), f"--rules {name}", field="rules"))
    if problems:
        raise SpecError(problems, subject=subject)
    return list(chosen)


def is_pattern(text: str) -> bool:
    """Return True if a text is a pattern of names and no name."""
    return any(c in text for c in PATTERN_CHARACTERS)


def _joined(texts: Sequence[str], variants: Rows) -> list[str]:
    """Return the names asked for; a variant's name with commas, which split the list, is put together again."""
    names: list[str] = []
    start = 0
    while start < len(texts):
        ends = range(len(texts), start + 1, -1)
        end = next((end for end in ends if slug_of(" ".join(texts[start:end])) in variants), start + 1)
        names.append(", ".join(texts[start:end]))
        start = end
    return names


class _Elsewhere:
    """Variants of the tracks that only other specs define."""

    def __init__(self, tracks: Iterable[str], find: RowsElsewhere) -> None:
        self._tracks = list(tracks)
        self._find = find
        self._found: dict[str, Mapping[str, Sequence[Row]]] = {}

    def _on(self, track: str) -> Mapping[str, Sequence[Row]]:
        if track not in self._found:
            self._found[track] = self._find(track)
        return self._found[track]

    def all(self) -> Rows:
        return {key: rows[0] for track in self._tracks for key, rows in self._on(track).items()}

    def find(self, track: str, key: str) -> Row | None:
        return next(iter(self._on(track).get(key, ())), None)

    def ambiguities(self, key: str, name: str) -> list[Problem]:
        """Return a problem for each track on which suites give a name to different settings."""
        return [
            Problem(
                f"'{name}' has other settings in {' and in '.join(str(row.mark.file) for row in rows)}; run that suite",
                f"--rules {name}",
                field="rules",
            )
            for track in self._found
            if len(rows := self._on(track).get(key, ())) > 1
        ]
