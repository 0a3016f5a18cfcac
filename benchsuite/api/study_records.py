"""Summaries and problems of records of studies, by the installed plugins.

Plugins, and torch with them, are loaded only if there is such a record.
"""

from __future__ import annotations

from pathlib import Path

from benchsuite.api.display import Part
from benchsuite.api.tables import study_table
from benchsuite.records.checks import inconsistencies
from benchsuite.records.model import RunRecord
from benchsuite.records.study import StudyRecord
from benchsuite.records.tuning import TuningRecord
from benchsuite.registry import manager
from benchsuite.results.studies import StudySummary
from benchsuite_leaderboard.study_tables import summarize_studies


def summarize_study(record: StudyRecord) -> StudySummary | str:
    """Return the rows and figures of a study's record, or the reason why it has none."""
    from benchsuite.studies.checking import summarize

    return summarize(record, manager.installed_registry())


def study_problems(record: StudyRecord) -> list[str]:
    """Return the problems of a study's result; that its kind is not installed is one."""
    from benchsuite.studies.checking import result_problems

    return result_problems(record, manager.installed_registry())


def known_study_problems(record: StudyRecord) -> list[str]:
    """Return the problems of a study's result; none if its kind is not installed, so that no record is refused."""
    is_known = record.spec.kind in manager.installed_registry().studies
    return study_problems(record) if is_known else []


def record_problems(record: RunRecord | StudyRecord | TuningRecord, path: Path) -> list[str]:
    """Return the contradictions within a record of a run or a study."""
    of_result = study_problems(record) if isinstance(record, StudyRecord) else []
    return [*inconsistencies(record, path), *of_result]


def study_tables(record: StudyRecord) -> list[Part]:
    """Return what ``benchsuite run`` prints of a study's record."""
    return [study_table(table) for table in summarize_studies([record], summarize_study)]
