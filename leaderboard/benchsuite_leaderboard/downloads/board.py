"""The whole board as one JSON file, with the JSON Schema that describes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from benchsuite.papers.verdict_model import ClaimVerdict, Verdict
from benchsuite.results.chance import chance_error
from benchsuite.results.model import Estimate, RuleRow, TrackTable, VersusBest
from benchsuite.specs.field_descriptions import DescribedFields
from benchsuite.version import __version__
from benchsuite_leaderboard.board import form_of, row_address, settings_of
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.kept_pages import KeptPages
from benchsuite_leaderboard.pages.frame import Frame

DATA, SCHEMA = "downloads/board.json", "downloads/board.schema.json"
LAYOUT: Literal[1] = 1
"""Increased when a field is removed or changes its meaning; fields may be added at any time."""


class ExportModel(BaseModel):
    """Base of all parts; errors and differences of errors are fractions, from 0 to 1 and from -1 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EstimateExport(ExportModel):
    """A mean over seeds, or over pairs of seeds."""

    mean: float
    n: int
    """Number of seeds, or of pairs of seeds."""
    sd: float | None
    """Standard deviation over seeds; null for one seed."""
    low: float | None
    """Lower end of the 95 % t-interval; null with fewer than three seeds."""
    high: float | None


class CostExport(ExportModel):
    """Time per training step, measured on an idle device of the row's hardware class."""

    step_time_ms: float
    ratio_to_baseline: float | None
    """Median over rounds of the time relative to backprop's in the same round."""


class ValidityExport(ExportModel):
    """One check that says whether the rule has really learnt."""

    check: str
    word: str
    mark: Literal["passed", "failed", "noted", "open"]
    """``open`` if nothing was measured."""
    value: float | None
    threshold: float | None


class RowExport(ExportModel):
    """One rule with one configuration on one hardware class."""

    row_id: str
    address: str
    """Address of the row within the site."""
    rule: str
    label: str
    """Name of the row, unique in its table."""
    settings: Literal["tuned", "published"]
    """``tuned`` if a tuning found the settings."""
    hardware_class: str
    precision: str
    seeds: int
    """Number of seeds that were run."""
    completed: int
    """Number of seeds whose error counts."""
    failures: dict[str, int]
    """Number of the other seeds by status."""
    rank: int | None
    """1 for the best and its ties; null if the row may not be ranked."""
    versus_best: VersusBest | None
    test_error: EstimateExport | None
    train_error: EstimateExport | None
    gap_to_baseline: EstimateExport | None
    """Test error minus backprop's in the same table, paired by seed."""
    gap_p_value: float | None
    """p-value of the paired t-test after Holm's correction; null for a comparison that the track does not plan."""
    published_test_error: float | None
    cost: CostExport | None
    validity: tuple[ValidityExport, ...]
    run_ids: tuple[str, ...]


class TableExport(ExportModel):
    """Rows that are comparable: same track, tier, data and network."""

    table_id: str
    track: str
    tier: str
    dataset: str
    network: str
    form: str
    """Form of the network: ``ordinary``, ``vectorized`` or ``invertible``."""
    data_fingerprint: str | None
    """sha256 of the data's tensors; null if no run got as far as loading them."""
    classes: int | None
    chance_error: float | None
    """Test error of guessing."""
    parameters: int | None
    epochs: int | None
    rows: tuple[RowExport, ...]


class RuleExport(ExportModel):
    """One rule."""

    name: str
    short_name: str
    summary: str
    source: str
    """Publication of the rule; empty if it is not known here."""


class ClaimExport(ExportModel):
    """One statement of a paper, and whether the records support it."""

    name: str
    title: str
    statement: str
    source: str
    verdict: Verdict
    tier: str | None
    """Tier whose runs decided; null if none did."""


class BoardExport(ExportModel):
    """The whole board."""

    layout: Literal[1] = Field(default=LAYOUT, description="Version of this layout.")
    benchsuite: str
    """Version of the suite that wrote the file."""
    last_record: str | None
    """Day on which the latest run ended, as YYYY-MM-DD in UTC."""
    records: int
    rules: tuple[RuleExport, ...]
    tables: tuple[TableExport, ...]
    claims: tuple[ClaimExport, ...]


def board_files(frame: Frame, content: SiteContent, kept: KeptPages) -> Iterator[tuple[str, str]]:
    """Yield the board and its schema as (path within the site, text); the schema only if the code has changed."""
    yield DATA, board_export(content).model_dump_json(indent=1) + "\n"
    if not kept.keep(frame, [], [], [SCHEMA]):
        schema = BoardExport.model_json_schema(mode="serialization", schema_generator=DescribedFields)
        yield SCHEMA, json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def board_export(content: SiteContent) -> BoardExport:
    """Return the board as plain data."""
    names = content.names
    rules = (
        RuleExport(
            name=rule,
            short_name=names.short(rule),
            summary=names.summary(rule),
            source=content.stated[rule].source if rule in content.stated else "",
        )
        for rule in content.rules
    )
    return BoardExport(
        benchsuite=__version__,
        last_record=next(iter(content.days), None),
        records=sum(table.runs for table in content.tables),
        rules=tuple(rules),
        tables=tuple(map(_table, content.tables)),
        claims=tuple(map(_claim, content.claims)),
    )


def _table(table: TrackTable) -> TableExport:
    return TableExport(
        table_id=table.table_id,
        track=table.track,
        tier=table.tier,
        dataset=table.dataset_title,
        network=table.architecture_title,
        form=form_of(table),
        data_fingerprint=table.fingerprint,
        classes=table.classes,
        chance_error=chance_error(table.classes),
        parameters=table.parameters,
        epochs=table.protocol.get("epochs"),
        rows=tuple(_row(table, row) for row in table.rows),
    )


def _row(table: TrackTable, row: RuleRow) -> RowExport:
    cost = row.cost
    return RowExport(
        row_id=row.row_id,
        address=row_address(table, row),
        rule=row.rule,
        label=row.label,
        settings=settings_of(row),
        hardware_class=row.hardware_class,
        precision=row.precision,
        seeds=row.total,
        completed=row.completed,
        failures=dict(row.failures),
        rank=row.rank,
        versus_best=row.versus_best,
        test_error=_estimate(row.test_error),
        train_error=_estimate(row.train_error),
        gap_to_baseline=_estimate(row.gap.difference),
        gap_p_value=row.gap.p_value,
        published_test_error=row.published.test_error if row.published else None,
        cost=None
        if cost.step_time_ms is None
        else CostExport(step_time_ms=cost.step_time_ms, ratio_to_baseline=cost.ratio),
        validity=tuple(
            ValidityExport(check=c.name, word=c.word, mark=c.mark, value=c.number, threshold=c.threshold)
            for c in row.validity
        ),
        run_ids=tuple(run.run_id for run in row.runs),
    )


def _estimate(found: Estimate | None) -> EstimateExport | None:
    if found is None:
        return None
    return EstimateExport(mean=found.mean, n=found.n, sd=found.sd, low=found.low, high=found.high)


def _claim(verdict: ClaimVerdict) -> ClaimExport:
    return ClaimExport(
        name=verdict.claim.name,
        title=verdict.claim.shown_as,
        statement=verdict.claim.statement,
        source=verdict.claim.source,
        verdict=verdict.verdict,
        tier=verdict.tier,
    )
