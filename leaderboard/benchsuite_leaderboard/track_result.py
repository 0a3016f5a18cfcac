"""The part of a track that other pages and later builds need, as it is kept between builds."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from benchsuite.papers.measured_values import MeasuredValue
from benchsuite.records.model import RunRecord
from benchsuite.results.model import TrackTable
from benchsuite.results.tuning_summary import TuningTable
from benchsuite_leaderboard.arrivals import Arrival
from benchsuite_leaderboard.remarks import RowRemarks


@dataclass(frozen=True)
class TrackResult:
    """The part of a track that other pages and later builds need: no curves, few records."""

    key: str
    """Key of the job."""
    tables: tuple[TrackTable, ...]
    tunings: tuple[TuningTable, ...]
    evidence: tuple[RunRecord, ...]
    """Records that decide claims, without the fields that no claim uses."""
    remarks: RowRemarks
    """Texts of remarks by table and row."""
    values: tuple[MeasuredValue, ...]
    """Published values about this track beside ours, those that were measured or tried."""
    broken: tuple[tuple[str, str], ...]
    """Broken files: path and reason."""
    arrivals: tuple[Arrival, ...]
    """The runs by the day they ended."""
    written: tuple[str, ...]
    """The track's files, by path within the site."""
    kept: tuple[str, ...]
    """Those of them that an earlier build made."""
    checked: tuple[str, ...]
    """Sources of the records that are good."""
    run_keys: dict[str, str]
    """Key of each run's page, by address."""


RESULT: TypeAdapter[TrackResult] = TypeAdapter(TrackResult)
