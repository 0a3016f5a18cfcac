"""Tables of studies, for pages and the terminal; the plugin of a study's kind says what its rows and figures are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchsuite.records.study import StudyRecord
from benchsuite.results.studies import StudySummary

Summarize = Callable[[StudyRecord], StudySummary | str]
"""Returns a record's rows and figures, or the reason why it has none."""


@dataclass(frozen=True)
class StudyTable:
    """One study with its settings."""

    study_id: str
    name: str
    title: str
    description: str
    source: str
    command: str
    spec: dict[str, Any]
    summary: StudySummary | None
    problem: str
    """The reason why there is no summary; empty if there is one."""


def without_plugins(record: StudyRecord) -> str:
    """Return why a study cannot be shown where no plugins are known."""
    return f"studies of kind '{record.spec.kind}' are not known to this build of the site"


def summarize_studies(records: Iterable[StudyRecord], summarize: Summarize = without_plugins) -> list[StudyTable]:
    """Return one table per study, by name and then by id; of several records of one, the one that ended last."""
    latest: dict[str, StudyRecord] = {}
    for record in records:
        known = latest.get(record.study_id)
        if known is None or (record.ended_at, record.result_key) > (known.ended_at, known.result_key):
            latest[record.study_id] = record
    tables = (_table(record, summarize(record)) for record in latest.values())
    return sorted(tables, key=lambda t: (t.name, t.study_id))


def _table(record: StudyRecord, summary: StudySummary | str) -> StudyTable:
    return StudyTable(
        study_id=record.study_id,
        name=record.spec.name,
        title=record.spec.shown_as,
        description=record.spec.description,
        source=record.spec.source,
        command=record.command,
        spec=record.spec.model_dump(mode="json", exclude={"name", "title", "description", "source"}),
        summary=None if isinstance(summary, str) else summary,
        problem=summary if isinstance(summary, str) else "",
    )
