"""``benchsuite verify RECORD…``: whether a record is one, and whether the same run gives the same numbers here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchsuite.cli.options import DataRootOption, JsonOption, data_root, messages, output, print_json

if TYPE_CHECKING:
    from benchsuite.records.comparison import Comparison
    from benchsuite.records.model import RunRecord


def verify(
    files: Annotated[list[Path], typer.Argument(help="Records, or folders of them.", show_default=False)],
    again: Annotated[
        bool, typer.Option("--rerun", help="Run each record's spec again, in a temporary store, and compare.")
    ] = False,
    error_tolerance: Annotated[
        float,
        typer.Option(
            "--error-tolerance",
            min=0,
            max=1,
            help="How far final errors (fractions) may lie apart where hardware or versions differ; else nothing may.",
        ),
    ] = 0.01,
    data: DataRootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check records: schema, spec hash, run id, file name, result key, counts. Exit code 1 if anything is wrong."""
    from benchsuite.errors import EmptySelectionError
    from benchsuite.records.checks import inconsistencies
    from benchsuite.records.model import RunRecord
    from benchsuite.records.reading import BrokenRecord, read_document
    from benchsuite.records.store import record_files

    paths = record_files(*files)
    if not paths:
        raise EmptySelectionError(f"no records in {', '.join(map(str, files))}")
    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        record = read_document(path)
        problems = [record.reason] if isinstance(record, BrokenRecord) else inconsistencies(record, path)
        found[str(path)] = {"problems": problems}
        if again and not problems and not isinstance(record, BrokenRecord):
            if isinstance(record, RunRecord):
                found[str(path)] |= _rerun(record, data, error_tolerance)
            else:
                found[str(path)]["problems"] = [
                    f"--rerun is for runs; `benchsuite run {record.spec.name} --fresh` makes an experiment again"
                ]
        if not as_json:
            _show(path, found[str(path)])
    if as_json:
        print_json(found)
    return 1 if any(result["problems"] or result.get("differences") for result in found.values()) else 0


def _rerun(record: RunRecord, data: Path | None, error_tolerance: float) -> dict[str, Any]:
    from benchsuite.errors import BenchsuiteError
    from benchsuite.execution.rerun import rerun
    from benchsuite.records.comparison import Tolerances, compare
    from benchsuite.registry.manager import installed_registry

    spec = record.spec
    messages().print(
        f"running {spec.track} {spec.rule.name} seed {spec.seed} ({spec.tier}) again; "
        f"it took {record.timing.train_time_s:.0f} s on {record.hardware.hardware_class}",
        markup=False,
        soft_wrap=True,
    )
    try:
        new = rerun(record, installed_registry(), data_root(data))
    except BenchsuiteError as error:
        return {"problems": [f"cannot be run again here: {error}"]}
    if new is None:
        raise KeyboardInterrupt
    return _as_data(compare(record, new, Tolerances(error=error_tolerance)))


def _as_data(comparison: Comparison) -> dict[str, Any]:
    return {
        "expected_equal": comparison.expects_equality,
        "changed": [asdict(d) | {"text": str(d)} for d in comparison.changed],
        "differences": [asdict(d) | {"text": str(d)} for d in comparison.differences],
    }


def _show(path: Path, result: dict[str, Any]) -> None:
    def say(text: str) -> None:
        output().print(text, markup=False, soft_wrap=True)

    problems = result["problems"]
    for problem in problems:
        say(f"{path}: {problem}")
    if problems:
        return
    if "differences" not in result:
        say(f"{path}: right")
        return
    for changed in result["changed"]:
        say(f"  not the same here: {changed['text']}")
    for difference in result["differences"]:
        say(f"  differs: {difference['text']}")
    held = "every number equal" if result["expected_equal"] else "final errors within the tolerance"
    verdict = f"{len(result['differences'])} differences" if result["differences"] else f"confirmed, {held}"
    say(f"{path}: run again, {verdict}")
