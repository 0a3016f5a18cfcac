"""Run one study and write its record, or find the record that it has already."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from benchsuite.errors import BenchsuiteError, PluginError
from benchsuite.execution.environment import versions
from benchsuite.records.keys import study_result_key
from benchsuite.records.store import RecordStore
from benchsuite.records.study import CodeUsed, StudyRecord, StudyResult
from benchsuite.registry.manager import Registry
from benchsuite.registry.sources import is_of_the_suite, source_hash
from benchsuite.specs.hashing import study_hash, study_id
from benchsuite.specs.loading.resolve_study import SelectedStudy
from benchsuite.specs.models.study import AnyStudySpec
from benchsuite.studies.checking import result_problems
from benchsuite.studies.contract import Report, Study, StudyStep

Value = TypeVar("Value")

OnStep = Callable[[StudyStep, float], None]
"""Called with each finished step and its time in seconds."""


def earlier_record(selected: SelectedStudy, store: RecordStore, registry: Registry) -> StudyRecord | None:
    """Return a study's record from the store; None if anything that can change its numbers has changed since."""
    found = store.find_study(study_id(selected.spec))
    study = make_study(selected, registry)
    key = study_result_key(
        study_hash(selected.spec), rules_used(study, registry), code_used(study, registry), versions()
    )
    is_current = found is not None and found.result_key == key and not result_problems(found, registry)
    return found if is_current else None


def make_study(selected: SelectedStudy, registry: Registry) -> Study[Any, Any]:
    """Return the study of a spec.

    Raises:
        PluginError: if its kind is not installed, or its class fails.

    """
    kind = registry.study(selected.spec.kind)
    return _called(_name_of(kind, registry), lambda: kind(selected.spec))


def execute(
    selected: SelectedStudy,
    store: RecordStore,
    registry: Registry,
    on_step: OnStep = lambda step, seconds: None,
) -> StudyRecord:
    """Run a study and write its record.

    Args:
        selected: the study and its command.
        store: for the record.
        registry: provides the study's class and the rules.
        on_step: called with each step and its time in seconds, as it ends.

    Raises:
        StoreError: if the record cannot be written; checked before anything is run.
        PluginError: if a rule is not installed, or the study itself fails.

    """
    study = make_study(selected, registry)
    rules, code, environment = rules_used(study, registry), code_used(study, registry), versions()
    store.prepare()
    started_at, start = datetime.now(UTC), time.perf_counter()
    result = _result(study, registry, _timed(on_step))
    spec = selected.spec
    record = StudyRecord(
        study_id=study_id(spec),
        spec_hash=study_hash(spec),
        result_key=study_result_key(study_hash(spec), rules, code, environment),
        spec=AnyStudySpec.model_validate(spec.model_dump(mode="json")),
        seeds={seed: study.stream_seeds(seed) for seed in spec.seeds},
        rules=rules,
        code=code,
        environment=environment,
        result=result.model_dump(mode="json"),
        wall_time_s=time.perf_counter() - start,
        started_at=started_at,
        ended_at=datetime.now(UTC),
        command=selected.command,
    )
    store.write_study(record)
    return record


def rules_used(study: Study[Any, Any], registry: Registry) -> dict[str, CodeUsed]:
    """Return the source and distribution of a study's rules; raises PluginError if one is not installed."""
    return {
        name: CodeUsed(
            source_hash=source_hash(registry.rule(name)), distribution=registry.origins["rule", name].distribution
        )
        for name in study.rules
    }


def code_used(study: Study[Any, Any], registry: Registry) -> CodeUsed | None:
    """Return the source and distribution of a plugin's study; None for one of the suite, whose version is recorded."""
    if is_of_the_suite(type(study)):
        return None
    origin = registry.origins["study", study.kind]
    return CodeUsed(source_hash=source_hash(type(study)), distribution=origin.distribution)


def _timed(on_step: OnStep) -> Report:
    before = time.perf_counter()

    def report(step: StudyStep) -> None:
        nonlocal before
        now = time.perf_counter()
        on_step(step, now - before)
        before = now

    return report


def _result(study: Study[Any, Any], registry: Registry, report: Report) -> StudyResult:
    who = _name_of(type(study), registry)
    rules = {name: registry.rule(name) for name in study.rules}
    result: Any = _called(who, lambda: study.run(rules, report))
    if not isinstance(result, study.Result):
        raise PluginError(f"{who}: run returned {type(result).__name__}, expected {study.Result.__name__}")
    problems = _called(who, lambda: list(study.problems(result)))
    if problems:
        raise PluginError(f"{who}: the result contradicts the spec: {'; '.join(problems)}")
    return result


def _name_of(study: type[Study[Any, Any]], registry: Registry) -> str:
    return f"study '{study.kind}' of {registry.origins['study', study.kind]}"


def _called(who: str, call: Callable[[], Value]) -> Value:
    """Call a study's own code, and report its failure as the plugin's."""
    try:
        return call()
    except BenchsuiteError:
        raise
    except Exception as error:
        raise PluginError(f"{who} failed: {type(error).__name__}: {error}; nothing was recorded") from error
