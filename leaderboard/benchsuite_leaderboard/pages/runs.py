"""A run's page: its spec, machine, curves, neighbours, its record, and the command that repeats it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from benchsuite.records.absolute_paths import without_paths
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import record_text
from benchsuite.results.model import RuleRow, SeedRun, TrackTable
from benchsuite_leaderboard.charts import runs as run_charts
from benchsuite_leaderboard.json_text import compact_json
from benchsuite_leaderboard.pages.frame import Frame
from benchsuite_leaderboard.pages.run_parts import OVER_SEGMENTS, TableParts

POINTS_A_RUN = 1_500


@dataclass(frozen=True)
class RunPage:
    """One run, as passed to its template."""

    record: RunRecord
    run: SeedRun
    row: RuleRow
    table: TrackTable
    earlier: int
    """Number of records of the same run that this one replaced."""
    parts: TableParts
    """Parts that it shares with other pages of the table."""

    @property
    def address(self) -> str:
        """Return the page's path within the site."""
        return run_address(self.table.track, self.record.run_id)

    @property
    def download(self) -> str:
        """Return the path of the record itself within the site."""
        return self.address.removesuffix(".html") + ".json"

    @property
    def other_seeds(self) -> Markup:
        """Return links to the counted and failed runs of the same row with other seeds."""
        return self.parts.other_seeds(self.row, self.record.spec.seed)

    @property
    def other_rules(self) -> Markup:
        """Return links to the table's other rows' runs with the same seed."""
        return self.parts.other_rules(self.row, self.record.spec.seed)

    @property
    def verdicts(self) -> Markup:
        """Return the table of the row's validity checks."""
        return self.parts.verdicts(self.row)

    @property
    def spec(self) -> str:
        """Return the run's spec as readable JSON."""
        return self.record.spec.model_dump_json(indent=1)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Return the record's facts on network, data, machine, versions, clock, seeds and the record itself, as JSON.

        Unset fields are left out.
        """
        record = self.record
        parts = [
            ("Network", record.network),
            ("Data", record.data),
            ("Hardware", record.hardware),
            ("Environment", record.environment),
            ("Timing", record.timing),
        ]
        found = [(name, part.model_dump_json(exclude_none=True)) for name, part in parts if part is not None]
        return [*found, ("Seeds", compact_json(record.seeds)), ("Record", compact_json(self._hashes))]

    @property
    def _hashes(self) -> dict[str, Any]:
        """Return the hashes that identify the run and its result."""
        record = self.record
        return {
            "run_id": record.run_id,
            "spec_hash": record.spec_hash,
            "result_key": record.result_key,
            "schema_version": record.schema_version,
            "started_at": record.started_at.isoformat(),
            "ended_at": record.ended_at.isoformat(),
            "resumed": record.resumed,
        }

    @property
    def charts(self) -> Markup:
        """Return the figures of error and loss; unmeasured ones are left out."""
        return self.parts.figures(run_charts.error_and_loss(self.record, POINTS_A_RUN // 2))

    @property
    def diagnostics(self) -> Markup:
        """Return one figure per diagnostic, with one line per segment."""
        return self.parts.figures(run_charts.diagnostics(self.record, POINTS_A_RUN // 2), OVER_SEGMENTS)


def run_address(track: str, run_id: str) -> str:
    """Return the path of a run's page within the site."""
    return f"runs/{track}/{run_id}.html"


def run_pages(environment: Environment, tables: Iterable[TrackTable]) -> Iterator[RunPage]:
    """Yield a page for every run id; of several records, the one that ended last."""
    for table in tables:
        parts = TableParts(environment, table)
        found: dict[str, list[tuple[RuleRow, SeedRun, RunRecord]]] = {}
        for row in table.rows:
            for run in row.runs:
                if run.record is not None:
                    found.setdefault(run.run_id, []).append((row, run, run.record))
        for members in found.values():
            row, run, record = max(members, key=lambda m: (not m[1].superseded, m[2].ended_at.isoformat(), m[0].row_id))
            yield RunPage(record, run, row, table, len(members) - 1, parts)


def render_runs(
    environment: Environment,
    frame: Frame,
    tables: Iterable[TrackTable],
    mlflow: Mapping[str, str],
    texts: Mapping[int, str],
) -> Iterator[tuple[str, str]]:
    """Yield the page of every run that has a record, and the record itself.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        tables: tables of one track, with its runs' records.
        mlflow: address of a run's page in MLflow, by run id.
        texts: text of a record, by ``id(record)``, for those whose text is known.

    """
    template = environment.get_template("run.html.j2")
    around = frame.variables("tracks", "../../")
    for page in run_pages(environment, tables):
        yield page.address, template.render(around, page=page, mlflow=mlflow.get(page.record.run_id))
        yield page.download, _published_text(page.record, texts)


def _published_text(record: RunRecord, texts: Mapping[int, str]) -> str:
    """Return a record's text without folders of the machine it was made on, as records are published."""
    published = without_paths(record)
    # Writing a record takes as long as reading it, and most have no such folder.
    known = texts.get(id(record), "") if published == record else ""
    return known or record_text(published)
