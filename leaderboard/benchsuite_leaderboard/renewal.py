"""Find the tracks that changed and make their pages again, in several processes if there is much to do.

A track's pages from an earlier build are kept while everything that they depend on is the same: its files' sizes and
times, the records given in memory, the papers' values, the frame, the links, and the code that makes pages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

from benchsuite.papers.statements import Papers
from benchsuite.records.reading import record_text
from benchsuite.results.grouping import conditions
from benchsuite.specs.models.track import RunSpec
from benchsuite_leaderboard.inputs import Inputs
from benchsuite_leaderboard.kept_pages import KeptPages, remembered_pages
from benchsuite_leaderboard.memory import remembered_track, track_memory
from benchsuite_leaderboard.package_files import generator_hash
from benchsuite_leaderboard.pages.frame import Frame
from benchsuite_leaderboard.track_job import TrackJob
from benchsuite_leaderboard.track_processes import TrackProcesses as TrackProcesses
from benchsuite_leaderboard.track_result import RESULT, TrackResult


@dataclass(frozen=True)
class EarlierSite:
    """The site of an earlier build, whose files may be kept."""

    out: Path
    files: Set[str]
    """Its files, by path within the site; empty if everything is made again."""

    def pages(self) -> KeptPages:
        """Return its pages of several tracks."""
        return remembered_pages(self.out, self.files)


def track_jobs(
    inputs: Inputs, papers: Papers, frame: Frame, mlflow: Mapping[str, str], staging: Path
) -> Iterator[TrackJob]:
    """Yield the job of each track, with the hash of everything that its pages depend on.

    Args:
        inputs: the records.
        papers: published values and claims.
        frame: frame around every page (title and navigation).
        mlflow: address of a run's page in MLflow, by run id.
        staging: folder to write pages to.

    """
    comparisons = [case.comparison for expanded in papers.claims for case in expanded.cases]
    metrics = frozenset(comparison.metric for comparison in comparisons)
    epochs = frozenset[int]().union(*(comparison.epochs for comparison in comparisons))
    deciding = [(spec.track, conditions(spec)) for spec in _deciding_specs(papers)]
    around = _hash([generator_hash(), astuple(frame)])
    everywhere = _hash([generator_hash(), papers.fingerprint, astuple(frame), sorted(mlflow.items())])
    for track in inputs.tracks:
        timings = tuple(timing for timing in inputs.timings if timing.track == track)
        tunings = tuple(tuning for tuning in inputs.tunings if tuning.spec.run.track == track)
        remarks = tuple(placed for placed in inputs.remarks if placed.track == track)
        files, given = inputs.files.tracks.get(track, ()), inputs.runs.get(track, ())
        states = [f"{file.key} {file.seen.size} {file.seen.changed_ns}" for file in files]
        hashes = [_hash(record_text(record)) for record in given]
        in_memory = sorted([*hashes, *map(_hash, [*map(record_text, timings), *map(record_text, tunings)])])
        words = papers.tracks.get(track)
        said = [(placed.path.name, placed.line, placed.remark.model_dump_json()) for placed in remarks]
        yield TrackJob(
            track=track,
            key=_hash([everywhere, track, sorted(states), in_memory, asdict(words) if words else None, said]),
            files=tuple(file.path for file in files),
            read={file.path: found for file in files if (found := inputs.files.read.get(file.path))},
            given=given,
            frame=frame,
            published=tuple(value for value in papers.published if value.spec and value.spec.track == track),
            names=tuple(each for each in papers.names if each.track == track),
            plans={name: plan for name, plan in papers.plans.items() if name == track},
            timings=timings,
            tunings=tunings,
            remarks=remarks,
            validity=papers.validity,
            wanted=frozenset(wanted for name, wanted in deciding if name == track),
            metrics=metrics,
            epochs=epochs,
            mlflow=mlflow,
            folder=staging,
            words=words,
            sources=(*hashes, *states),
            around=around,
        )


def _deciding_specs(papers: Papers) -> Iterator[RunSpec]:
    """Yield the spec of every run that decides a claim."""
    for expanded in papers.claims:
        for case in expanded.all_cases:
            yield from (arm.spec for arm in case.arms if arm.spec)


def make_tracks(
    jobs: Sequence[TrackJob], earlier: EarlierSite, processes: TrackProcesses
) -> tuple[list[TrackResult], set[str]]:
    """Make the tracks that changed.

    Args:
        jobs: the jobs of all tracks.
        earlier: the site as it is.
        processes: make the tracks, if there is much to do.

    Returns:
        Every track's result, and the files of the site that stay as they are.

    """
    results: dict[str, TrackResult] = {}
    unchanged: set[str] = set()
    stale: list[TrackJob] = []
    for job in jobs:
        known = remembered_track(earlier.out, job.track) if earlier.files else None
        if known and known.key == job.key and earlier.files >= set(known.written):
            results[job.track] = known
            unchanged |= {*known.written, track_memory(job.track)}
        elif known:
            files = frozenset(known.written).intersection(earlier.files)
            checked = frozenset(known.checked)
            stale.append(replace(job, earlier=known.run_keys, earlier_files=files, checked=checked))
        else:
            stale.append(job)
    for job, made in zip(stale, processes.make(stale), strict=True):
        path = job.folder / track_memory(job.track)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made)
        result = RESULT.validate_json(made)
        results[job.track] = result
        unchanged |= set(result.kept)
    return [results[job.track] for job in jobs], unchanged


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")).hexdigest()
