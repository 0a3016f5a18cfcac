"""Check and summarize the result in a study's record, by the plugin of its kind. Records are untrusted data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from benchsuite.errors import PluginError
from benchsuite.records.study import StudyRecord, StudyResult
from benchsuite.registry.manager import Registry
from benchsuite.results.studies import StudySummary
from benchsuite.studies.contract import Study


def result_problems(record: StudyRecord, registry: Registry) -> list[str]:
    """Return why a record's spec and result cannot be those of its kind; empty if they can."""
    found = _study_and_result(record, registry)
    return [found] if isinstance(found, str) else []


def summarize(record: StudyRecord, registry: Registry) -> StudySummary | str:
    """Return the tables and figures of a record, or why there are none; never raises because of a plugin's error."""
    found = _study_and_result(record, registry)
    if isinstance(found, str):
        return found
    study, result = found
    who = f"the plugin of its kind '{record.spec.kind}'"
    try:
        summary: Any = study.summarize(result)
    except Exception as error:  # one study's error must not cost the site of all others
        return f"{who} failed: {type(error).__name__}: {error}"
    if not isinstance(summary, StudySummary):
        return f"{who} returned {type(summary).__name__}, expected StudySummary"
    wrong = [row.label for row in summary.rows if len(row.values) != len(summary.columns)]
    if wrong:
        return f"{who} returned rows without one value per column: {', '.join(wrong)}"
    return summary


def _circumstances(record: StudyRecord, study: Study[Any, Any]) -> Iterator[str]:
    """Yield what contradicts the spec among a record's seeds and rules."""
    if set(record.seeds) != set(study.spec.seeds):
        yield f"seeds: of {sorted(record.seeds)}, but the spec has {sorted(study.spec.seeds)}"
    for seed, streams in record.seeds.items():
        if streams != study.stream_seeds(seed):
            yield f"seeds.{seed}: not those that seed {seed} gives"
    if set(record.rules) != set(study.rules):
        yield f"rules: {', '.join(record.rules) or 'none'}, but the study compares {', '.join(study.rules) or 'none'}"


def _study_and_result(record: StudyRecord, registry: Registry) -> tuple[Study[Any, Any], StudyResult] | str:
    """Return the study and its valid result, or what is wrong with them."""
    try:
        kind = registry.study(record.spec.kind)
    except PluginError as error:
        return f"spec.kind: {error}; its result cannot be checked or shown"
    try:
        study: Study[Any, Any] = kind(kind.Spec.model_validate(record.spec.model_dump(mode="json")))
        result = kind.Result.model_validate(record.result)
        problems = [*_circumstances(record, study), *(f"result: {each}" for each in study.problems(result))]
    except ValidationError as error:
        part = "spec" if error.title == kind.Spec.__name__ else "result"
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join([part, *map(str, first["loc"])])
        return f"{place}: {first['msg']} ({error.error_count()} problems in all)"
    except Exception as error:
        return f"result: its plugin cannot check it: {type(error).__name__}: {error}"
    return "; ".join(problems) if problems else (study, result)
