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
from benchsuite_leaderboard.kept_runs import KeptRuns
from benchsuite_leaderboard.pages.frame import Frame
from benchsuite_leaderboard.pages.run_parts import OVER_SEGMENTS, Figures, TableParts

POINTS_A_RUN = 1_500


@dataclass(frozen=True)
class Surroundings:
    """Everything that a run's page shows beside its record: the table and the row, and the runs next to it."""

    track: str
    tier: str
    rule: str
    row_id: str
    label: str
    is_superseded: bool
    """True if a later run of the same seed counts instead."""
    test_error: float | None
    train_error: float | None
    top5_error: float | None
    earlier: int
    """Number of records of the same run that this one replaced."""
    other_seeds: Markup
    """Links to the counted and failed runs of the same row with other seeds."""
    other_rules: Markup
    """Links to the table's other rows' runs with the same seed."""
    verdicts: Markup
    """The table of the row's validity checks; empty if none was asked for."""
    mlflow: str | None
    """Address of the run's page in MLflow."""


@dataclass(frozen=True)
class RunPage:
    """One run, as passed to its template: no table, so that it cannot show what the key of a kept page leaves out."""

    record: RunRecord
    around: Surroundings
    figures: Figures
    text: str = ""
    """The record as ``record_text`` returns it, if that is known."""

    @property
    def address(self) -> str:
        """Return the page's path within the site."""
        return run_address(self.around.track, self.record.run_id)

    @property
    def download(self) -> str:
        """Return the path of the record itself within the site."""
        return self.address.removesuffix(".html") + ".json"

    @property
    def spec(self) -> str:
        """Return the run's spec as readable JSON."""
        _, begins, rest = self.text.partition('\n "spec": ')
        inner, ends, _ = rest.partition("\n },\n")
        if begins and ends:  # a line break in a JSON text is between its parts, never in a string
            return f"{inner}\n }}".replace("\n ", "\n")
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
        return self.figures.drawn(run_charts.error_and_loss(self.record, POINTS_A_RUN // 2))

    @property
    def diagnostics(self) -> Markup:
        """Return one figure per diagnostic, with one line per segment."""
        return self.figures.drawn(run_charts.diagnostics(self.record, POINTS_A_RUN // 2), OVER_SEGMENTS)


def run_address(track: str, run_id: str) -> str:
    """Return the path of a run's page within the site."""
    return f"runs/{track}/{run_id}.html"


def run_pages(
    environment: Environment, tables: Iterable[TrackTable], mlflow: Mapping[str, str], texts: Mapping[int, str]
) -> Iterator[RunPage]:
    """Yield a page for every run id; of several records, the one that ended last.

    Args:
        environment: Jinja environment of the site's templates.
        tables: tables of one track, with its runs' records.
        mlflow: address of a run's page in MLflow, by run id.
        texts: text of a record as ``record_text`` returns it, where it is known, by the record's ``id``.

    """
    figures = Figures(environment)
    for table in tables:
        parts = TableParts(environment, table)
        found: dict[str, list[tuple[RuleRow, SeedRun, RunRecord]]] = {}
        for row in table.rows:
            for run in row.runs:
                if run.record is not None:
                    found.setdefault(run.run_id, []).append((row, run, run.record))
        for run_id, members in found.items():
            row, run, record = max(members, key=lambda m: (not m[1].superseded, m[2].ended_at.isoformat(), m[0].row_id))
            around = Surroundings(
                track=table.track,
                tier=table.tier,
                rule=row.rule,
                row_id=row.row_id,
                label=row.label,
                is_superseded=run.superseded,
                test_error=run.test_error,
                train_error=run.train_error,
                top5_error=run.top5_error,
                earlier=len(members) - 1,
                other_seeds=parts.other_seeds(row, run.seed),
                other_rules=parts.other_rules(row, run.seed),
                verdicts=parts.verdicts(row),
                mlflow=mlflow.get(run_id),
            )
            yield RunPage(record, around, figures, texts.get(id(record), ""))


def render_runs(
    environment: Environment, frame: Frame, tables: Iterable[TrackTable], mlflow: Mapping[str, str], kept: KeptRuns
) -> Iterator[tuple[str, str]]:
    """Yield the page of every run that has a record, and the record itself.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        tables: tables of one track, with its runs' records.
        mlflow: address of a run's page in MLflow, by run id.
        kept: files of an earlier build, which are left out while they need no change.

    """
    template = environment.get_template("run.html.j2")
    variables = frame.variables("tracks", "../../")
    for page in run_pages(environment, tables, mlflow, kept.texts):
        if not kept.keep(page.record, repr(page.around), (page.address, page.download)):
            yield page.address, template.render(variables, page=page, around=page.around)
            yield page.download, _published_text(page.record, kept.texts)


def _published_text(record: RunRecord, texts: Mapping[int, str]) -> str:
    """Return a record's text without folders of the machine it was made on, as records are published."""
    published = without_paths(record)
    # Writing a record takes as long as reading it, and most have no such folder.
    known = texts.get(id(record), "") if published == record else ""
    return known or record_text(published)
