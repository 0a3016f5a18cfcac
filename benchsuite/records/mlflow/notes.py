"""Descriptions of experiments and runs in MLflow's pages, as Markdown: what it is, what came out, where to read on."""

from __future__ import annotations

import re

from benchsuite.records.mlflow.addresses import HOME, run_on_board, track_on_board
from benchsuite.records.mlflow.labels import RuleLabel, TrackLabel
from benchsuite.records.mlflow.points import FINAL_ERROR
from benchsuite.records.model import RunRecord
from benchsuite.specs.models.track import RunSpec

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})(v\d+)?")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|])")


def experiment_note(spec: RunSpec, label: TrackLabel | None, with_board: bool) -> str:
    """Return the description of a track's experiment.

    Args:
        spec: any run of the track.
        label: the track in words, if it is known.
        with_board: True if the pages are served beside the board's.

    """
    first = plain(label.title if label is not None else spec.track)  # no markup: MLflow's list of tracks shows it raw
    if with_board:  # on the first line, which is all that MLflow shows of a folded description
        first += f" · [on the board]({track_on_board(spec.track)}) · [all tracks]({HOME})"
    parts = [first]
    if label is not None:
        parts.append(plain(label.description))
    parts.append(f"Data set {plain(spec.dataset.name)}, network {plain(spec.architecture.name)}.")
    if label is not None and label.source:
        parts.append(f"Source: {linked(label.source)}")
    parts.append(
        f"Results are the metrics under `final/`, such as `{FINAL_ERROR}`; curves are under `test/`, `train/` and "
        "`running/`, diagnostics of the credit under `alignment/`. Errors are per cent. The view *Results* groups the "
        "seeds of a rule."
    )
    return "\n\n".join(part for part in parts if part)


def run_note(record: RunRecord, label: RuleLabel | None, with_board: bool) -> str:
    """Return the description of a finished run."""
    spec, test = record.spec, record.final_test
    what = f"**{plain(spec.rule.shown_as)}** on {plain(spec.track)}, tier {spec.tier}, seed {spec.seed}"
    if with_board:
        what += f" · [on the board]({run_on_board(spec.track, record.run_id)}) · [all tracks]({HOME})"
    if test is not None:
        result = f"Test error **{100 * test.error:.2f} %** on {test.examples} examples"
        result += f", after {record.timing.train_time_s:.4g} s of training." if record.timing.train_time_s else "."
    else:
        result = f"Status: **{record.status.replace('_', ' ')}**. {plain(record.reason)}".strip()
    parts = [what, result]
    if label is not None and label.source:
        parts.append(f"Rule from: {linked(label.source)}")
    return "\n\n".join([*parts, f"    {record.command}"])


def plain(text: str) -> str:
    """Escape what Markdown would read as markup."""
    return _MARKUP.sub(r"\\\1", text)


def linked(source: str) -> str:
    """Return a source as Markdown, with arXiv numbers as links."""
    return _ARXIV.sub(lambda m: f"[{m[0]}](https://arxiv.org/abs/{m[1]})", plain(source))
