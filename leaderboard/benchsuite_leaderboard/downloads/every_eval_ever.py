"""Results in the format of Every Eval Ever, a shared database of evaluations: one file per rule.

Format: ``eval.schema.json`` 0.2.1 of evaleval/every_eval_ever. There a "model" is what is evaluated: here a rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from benchsuite.results.model import BASELINE_RULE, RuleRow, TrackTable
from benchsuite.version import __version__
from benchsuite_leaderboard.board import settings_of
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.downloads.formats import indented_json
from benchsuite_leaderboard.matrix import main_rows
from benchsuite_leaderboard.texts import citation

FOLDER = "downloads/every-eval-ever"
SCHEMA_VERSION = "0.2.1"
PUBLISHER = "benchsuite"


def every_eval_ever_files(content: SiteContent) -> Iterator[tuple[str, str]]:
    """Yield a file for every rule with a complete row, as (path within the site, text)."""
    rows = [(table, main_rows(table)) for table in content.tables]
    for rule in content.rules:
        results = [_result(table, row) for table, of_table in rows if (row := _complete(of_table.get(rule)))]
        if results:
            document = _document(content, rule, results)
            yield f"{FOLDER}/{rule}.json", indented_json(document)


def _complete(row: RuleRow | None) -> RuleRow | None:
    return row if row and row.complete and row.test_error else None


def _document(content: SiteContent, rule: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    # The day of the last record, not of the build: the same records give the same file.
    day = next(iter(content.days), "1970-01-01")
    retrieved = str(int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()))
    words = content.stated.get(rule)
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{PUBLISHER}/{rule}/{retrieved}",
        "retrieved_timestamp": retrieved,
        "source_metadata": {
            "source_name": "benchsuite leaderboard",
            "source_type": "evaluation_run",
            "source_organization_name": citation().authors or PUBLISHER,
            "evaluator_relationship": "third_party",
        },
        "eval_library": {"name": "benchsuite", "version": __version__},
        "model_info": {
            "name": content.names.full(rule),
            "id": f"{PUBLISHER}/{rule}",
            "additional_details": _details({"kind": "learning rule", "source": words.source if words else None}),
        },
        "evaluation_results": results,
    }


def _result(table: TrackTable, row: RuleRow) -> dict[str, Any]:
    error = row.test_error
    assert error is not None  # noqa: S101 - for the type checker; rows without an error have no file
    uncertainty: dict[str, Any] = {"num_samples": error.n}
    if error.low is not None and error.high is not None:
        uncertainty["confidence_interval"] = {
            "lower": error.low,
            "upper": error.high,
            "confidence_level": 0.95,
            "method": "Student's t over seeds",
        }
    gap = row.gap.difference
    return {
        "evaluation_name": f"{table.track} ({table.tier})",
        "source_data": {
            "dataset_name": table.dataset_title,
            "source_type": "other",
            "additional_details": _details({"sha256_of_tensors": table.fingerprint}),
        },
        "metric_config": {
            "evaluation_description": "Test error after the last epoch, a fraction, mean over seeds",
            "lower_is_better": True,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
        },
        "score_details": {
            "score": error.mean,
            "details": _details(
                {
                    "network": table.architecture_title,
                    "settings": settings_of(row),
                    "hardware_class": row.hardware_class,
                    "standard_deviation_over_seeds": error.sd,
                    f"gap_to_{BASELINE_RULE}": gap.mean if gap else None,
                    "run_ids": " ".join(run.run_id for run in row.runs),
                }
            ),
            "uncertainty": uncertainty,
        },
    }


def _details(values: Mapping[str, object]) -> dict[str, str]:
    """Return what is known as text: the format allows nothing else there."""
    return {name: str(value) for name, value in values.items() if value is not None}
