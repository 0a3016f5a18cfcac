"""Tables and figures of a study as plain data, which the site and the terminal lay out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchsuite.results.model import CurvePoint, Estimate


@dataclass(frozen=True)
class StudyColumn:
    """One column of a study's table.

    Attributes:
        title: heading.
        note: second line of the heading on the page.
    """

    title: str
    note: str = ""


@dataclass(frozen=True)
class StudyRow:
    """One row of a study's table: a rule with its setting, over the seeds.

    Attributes:
        label: unique name of the row, also in legends.
        total: number of seeds.
        completed: number of seeds that completed.
        values: one per column of the table; None if a completed seed has none.
        failures: status, reason and seeds of what did not complete.
        is_baseline: True for the row that the others are compared with, drawn in the text's colour.
    """

    label: str
    total: int
    completed: int
    values: tuple[Estimate | None, ...]
    failures: tuple[str, ...] = ()
    is_baseline: bool = False


@dataclass(frozen=True)
class StudyChart:
    """One chart of lines with bands.

    Attributes:
        title: heading of the chart.
        y_title: title of the vertical axis.
        curves: points by the label of their row, the horizontal position in ``epoch``.
        description: text in place of the chart for people who do not see it.
        y_range: ends of the vertical axis; from the values if None.
    """

    title: str
    y_title: str
    curves: Mapping[str, tuple[CurvePoint, ...]]
    description: str
    y_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class StudyFigure:
    """One or several charts under one caption; several are drawn small, side by side.

    Attributes:
        title: what is drawn, the first words of the caption.
        caption: text after the title.
        charts: the charts.
        x_title: title of the horizontal axis.
        x_end: right end of the horizontal axis, which starts at zero.
    """

    title: str
    caption: str
    charts: tuple[StudyChart, ...]
    x_title: str
    x_end: float


@dataclass(frozen=True)
class StudySummary:
    """A study's result for people.

    Attributes:
        conditions: one or two sentences on what was run.
        columns: columns between the label and the number of seeds.
        rows: the rows, in the order of the page.
        figures: the figures; may be empty.
        note: line under the table in a terminal.
    """

    conditions: str
    columns: tuple[StudyColumn, ...]
    rows: tuple[StudyRow, ...]
    figures: tuple[StudyFigure, ...] = ()
    note: str = ""
