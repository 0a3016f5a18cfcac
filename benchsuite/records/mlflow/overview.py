"""Look up in MLflow's database what our own pages beside MLflow's show: tracks, their best errors, and runs.

Queries for all tracks at once: MLflow's search would read every run with all of its metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchsuite.records.mlflow.mapping import (
    DIGEST_TAG,
    MAPPING_VERSION,
    RULE_TAG,
    RUN_COLOR_TAG,
    RUN_ID_TAG,
    TIER_TAG,
    TITLE_TAG,
)
from benchsuite.records.mlflow.points import FINAL_ERROR
from benchsuite.records.mlflow.views import VIEW_PREFIX, view_of_tier

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

TIERS = ("paper", "quick", "smoke")
"""The most work first."""


@dataclass(frozen=True)
class Board:
    """The runs of one track at one tier."""

    track: str
    title: str
    experiment_id: str
    tier: str
    runs: int
    colors: dict[str, str]
    """Colour of every rule that has one."""
    best_rule: str | None
    """The rule with the smallest mean test error, of those none of whose runs failed; None without one."""
    best_error_percent: float | None
    best_runs: int
    """Number of runs of that mean."""
    view: str | None
    """Saved view of this tier; None in a mirror of an earlier version."""


def boards(engine: Engine) -> list[Board]:
    """Return every track and tier that has runs, by track, the most work first."""
    from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlExperimentTag, SqlLatestMetric, SqlRun, SqlTag
    from sqlalchemy import and_, case, func, select
    from sqlalchemy.orm import aliased

    run_id, tier, rule, color = (aliased(SqlTag) for _ in range(4))
    title = aliased(SqlExperimentTag)
    query: Any = (
        select(
            SqlExperiment.experiment_id,
            SqlExperiment.name,
            title.value,
            tier.value,
            rule.value,
            func.count(SqlRun.run_uuid),
            func.count(SqlLatestMetric.value),
            func.avg(SqlLatestMetric.value),
            func.sum(case((SqlRun.status == "FAILED", 1), else_=0)),
            func.max(color.value),
        )
        .join(SqlRun, SqlRun.experiment_id == SqlExperiment.experiment_id)
        .outerjoin(title, and_(title.experiment_id == SqlExperiment.experiment_id, title.key == TITLE_TAG))
        .outerjoin(
            SqlLatestMetric, and_(SqlLatestMetric.run_uuid == SqlRun.run_uuid, SqlLatestMetric.key == FINAL_ERROR)
        )
        .outerjoin(color, and_(color.run_uuid == SqlRun.run_uuid, color.key == RUN_COLOR_TAG))
        .where(SqlExperiment.lifecycle_stage == "active", SqlRun.lifecycle_stage == "active")
        .group_by(SqlExperiment.experiment_id, SqlExperiment.name, title.value, tier.value, rule.value)
    )
    for key, tag in ((RUN_ID_TAG, run_id), (TIER_TAG, tier), (RULE_TAG, rule)):
        query = query.join(tag, and_(tag.run_uuid == SqlRun.run_uuid, tag.key == key))
    found: dict[tuple[str, str], list[Any]] = {}
    for row in _rows(engine, query):
        found.setdefault((row[1], row[3]), []).append(row)
    tags: Any = SqlExperimentTag  # MLflow's type hints of it are not right
    views = set(_rows(engine, select(tags.experiment_id, tags.key).where(tags.key.like(f"{VIEW_PREFIX}%"))))
    made = [_board(rows, views) for rows in found.values()]
    return sorted(made, key=lambda b: (b.track, TIERS.index(b.tier) if b.tier in TIERS else len(TIERS)))


def _board(rows: list[Any], views: set[tuple[int, str]]) -> Board:
    experiment_id, track, title, tier = rows[0][:4]
    view = view_of_tier(tier)
    best = min((row for row in rows if row[6] and not row[8]), key=lambda row: row[7], default=None)
    return Board(
        track=track,
        title=title or track,
        experiment_id=str(experiment_id),
        tier=tier,
        runs=sum(row[5] for row in rows),
        colors={row[4]: row[9] for row in rows if row[9]},
        best_rule=best[4] if best else None,
        best_error_percent=float(best[7]) if best else None,
        best_runs=best[6] if best else 0,
        view=view if (experiment_id, VIEW_PREFIX + view) in views else None,
    )


def outdated_runs(engine: Engine) -> int:
    """Return the number of runs that an earlier version of the mirror wrote."""
    from sqlalchemy import func, select

    runs, tags = _tables()
    query = (
        select(func.count(runs.run_uuid))
        .join(tags, runs.run_uuid == tags.run_uuid)
        .where(tags.key == DIGEST_TAG, tags.value.not_like(f"{MAPPING_VERSION}:%"), runs.lifecycle_stage == "active")
    )
    return int(_rows(engine, query)[0][0])


def place_of_run(engine: Engine, run_id: str) -> tuple[str, str] | None:
    """Return the ids of a run's experiment and of its latest mirror in MLflow; None if there is none."""
    from sqlalchemy import select

    runs, tags = _tables()
    query = (
        select(runs.experiment_id, runs.run_uuid)
        .join(tags, tags.run_uuid == runs.run_uuid)
        .where(tags.key == RUN_ID_TAG, tags.value == run_id, runs.lifecycle_stage == "active")
        .order_by(runs.start_time.desc())
    )
    rows = _rows(engine, query)
    return (str(rows[0][0]), str(rows[0][1])) if rows else None


def _tables() -> tuple[Any, Any]:
    """Return MLflow's tables of runs and of their tags; its type hints of them are not right."""
    from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag

    return SqlRun, SqlTag


def _rows(engine: Engine, query: Any) -> list[Any]:
    with engine.connect() as connection:
        found = connection.execute(query)
        return [tuple(row) for row in found]
