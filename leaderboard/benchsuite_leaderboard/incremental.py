"""A site from folders of records: built in full the first time, and afterwards only where something changed.

What an earlier build learnt lies in the site itself, as JSON. It is used as long as the files' sizes and times, the
generator, the papers' side and the settings are the same; a site without it, or with another's, is built in full.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from multiprocessing import get_context
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from benchsuite.errors import StoreError
from benchsuite.papers.claim_cases import ClaimCases
from benchsuite.papers.published import PublishedError
from benchsuite.papers.verdicts import judge
from benchsuite.records.audit import RuleAudit
from benchsuite.records.experiment import ExperimentRecord
from benchsuite.records.reading import BrokenRecord, read_experiment
from benchsuite.records.store import read_audits
from benchsuite.results.grouping import conditions
from benchsuite.specs.models.base import Tier
from benchsuite.version import __version__
from benchsuite_leaderboard.experiment_tables import summarize_experiments
from benchsuite_leaderboard.output import Content, owned_files, publish
from benchsuite_leaderboard.pages import Frame, render_shared
from benchsuite_leaderboard.rendering import template_environment
from benchsuite_leaderboard.scan import Scan, Seen, path_key, scan
from benchsuite_leaderboard.site import DEFAULT_TITLE, BuildReport, static_files, walk
from benchsuite_leaderboard.track_job import RESULT, TrackJob, TrackResult, build_track

MEMORY = ".benchsuite-memory"
"""Folder within a site for what the next build may use."""

SEEN = f"{MEMORY}/files.json"

GENERATOR_PACKAGES = ("benchsuite_leaderboard", "benchsuite.results", "benchsuite.papers")

FEW_RECORDS = 300
"""Up to so many are read here: a second process takes a second to start."""


@dataclass(frozen=True)
class Papers:
    """What papers say, to stand beside what was measured."""

    published: Sequence[PublishedError] = ()
    claims: Sequence[ClaimCases] = ()
    key: str = ""
    """Another one if anything in it may be another."""


@dataclass(frozen=True)
class Sources:
    """What a site is built from, and what is said on it."""

    folders: Sequence[Path]
    audits: Sequence[Path] = ()
    papers: Callable[[set[tuple[str, Tier]]], Papers] = field(default=lambda _: Papers())
    """Given the tracks and tiers that there are records of."""
    mlflow: Mapping[str, str] = field(default_factory=dict)
    """Address of a run's page in MLflow, by run id."""
    title: str = DEFAULT_TITLE


_SEEN: TypeAdapter[dict[str, Seen]] = TypeAdapter(dict[str, Seen])


def build_from_folders(
    sources: Sources, out: Path, *, fresh: bool = False, processes: int | None = None
) -> BuildReport:
    """Build or renew a site; the bytes do not depend on what was there before.

    Everything is rendered before the first file of the site changes, so that a failed build changes nothing.

    Args:
        sources: records, audits, and what stands beside them.
        out: folder of the site: new, empty, or made by an earlier build. Foreign files in it are left alone.
        fresh: build in full, whatever an earlier build left.
        processes: how many to use; as many as there are cores if not given.

    Returns:
        What was read and what the site now has.

    Raises:
        StoreError: if ``out`` is not ours to write to, or cannot be written.

    """
    owned = owned_files(out)
    known = {} if fresh else _remembered(out / SEEN)
    found = scan(sources.folders, known)
    papers = sources.papers(found.cells)
    experiments = [read_experiment(path) for path in found.experiments]
    audits = [audit for folder in sources.audits for audit in read_audits(folder)]
    good_experiments = [e for e in experiments if isinstance(e, ExperimentRecord)]
    frame = Frame(sources.title, bool(papers.claims), bool(good_experiments))
    with _staging(out) as staging:
        jobs = _jobs(sources, found, papers, frame, staging)
        results, kept = _run(jobs, out, owned, processes or os.cpu_count() or 1, fresh)
        broken = [*found.broken, *(BrokenRecord(Path(p), why) for r in results for p, why in r.broken)]
        broken += [record for record in (*experiments, *audits) if isinstance(record, BrokenRecord)]
        broken.sort(key=lambda b: (b.path.parts[-2:], b.reason))
        tables = [table for result in results for table in result.tables]
        verdicts = judge(papers.claims, [record for result in results for record in result.evidence])
        experiment_tables = summarize_experiments(good_experiments)
        pages = render_shared(
            template_environment(),
            frame,
            tables,
            broken,
            experiment_tables,
            verdicts,
            [audit for audit in audits if isinstance(audit, RuleAudit)],
        )
        files: dict[str, Content] = dict(_written(staging))
        files |= {name: text.encode("utf-8", "backslashreplace") for name, text in pages} | static_files()
        files[SEEN] = _SEEN.dump_json({path_key(path): seen for path, seen in found.states.items()})
        publish(files, out, kept)
    statuses = Counter(run.status for table in tables for row in table.rows for run in row.runs)
    return BuildReport(
        out=out,
        index=out / "index.html",
        files=tuple(sorted({*files, *kept})),
        tables=len(tables),
        records=sum(table.runs for table in tables),
        experiments=len(experiment_tables),
        statuses=dict(sorted(statuses.items())),
        broken=tuple(broken),
        rebuilt=tuple(sorted(name[7:-5] for name in files if name.startswith("tracks/"))),
    )


def _jobs(sources: Sources, found: Scan, papers: Papers, frame: Frame, staging: Path) -> list[tuple[TrackJob, str]]:
    arms = [
        arm
        for laid_out in papers.claims
        for case in laid_out.cases
        for side in (case.left, case.right)
        if side
        for arm in (side.main, side.minus)
        if arm and arm.spec
    ]
    metrics = frozenset(case.comparison.metric for laid_out in papers.claims for case in laid_out.cases)
    everywhere = [__version__, _generator(), papers.key, [frame.title, frame.has_claims, frame.has_experiments]]
    jobs = []
    for track, files in found.tracks.items():
        wanted = frozenset(conditions(arm.spec) for arm in arms if arm.track == track and arm.spec)
        published = tuple(value for value in papers.published if value.spec.track == track)
        states = sorted((path_key(p), found.states[p].size, found.states[p].changed_ns) for p in files)
        key = _hash([*everywhere, track, states, sorted(sources.mlflow.items())])
        jobs.append((TrackJob(track, files, frame, published, wanted, metrics, sources.mlflow, staging), key))
    return jobs


def _run(
    jobs: Sequence[tuple[TrackJob, str]], out: Path, owned: set[str], processes: int, fresh: bool
) -> tuple[list[TrackResult], set[str]]:
    """Return every track's result, and the files of the site that stay as they are."""
    results: dict[str, TrackResult] = {}
    kept: set[str] = set()
    stale: list[tuple[TrackJob, str]] = []
    for job, key in jobs:
        earlier = None if fresh else _earlier(out / _memory(job.track))
        if earlier and earlier.key == key and owned.issuperset(earlier.written):
            results[job.track] = earlier
            kept |= {*earlier.written, _memory(job.track)}
        else:
            stale.append((job, key))
    # The longest first, so that no process ends long after the others.
    stale.sort(key=lambda pair: -len(pair[0].files))
    count = min(processes, len(stale))
    if count > 1 and sum(len(job.files) for job, _ in stale) > FEW_RECORDS:
        # Not forked: the command may have started threads by now.
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            futures: dict[str, Future[bytes]] = {job.track: pool.submit(build_track, job, key) for job, key in stale}
            made = {track: future.result() for track, future in futures.items()}
    else:
        made = {job.track: build_track(job, key) for job, key in stale}
    for job, _ in stale:
        path = job.folder / _memory(job.track)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made[job.track])
        results[job.track] = RESULT.validate_json(made[job.track])
    return [results[job.track] for job, _ in jobs], kept


def _memory(track: str) -> str:
    return f"{MEMORY}/tracks/{track}.json"


def _earlier(path: Path) -> TrackResult | None:
    try:
        return RESULT.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _remembered(path: Path) -> dict[str, Seen]:
    try:
        return _SEEN.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return {}


def _generator() -> str:
    """Return a hash of the code that pages come from: pages of another version of it are not ours to keep."""
    digest = hashlib.sha256()
    for package in GENERATOR_PACKAGES:
        for name, content in walk(resources.files(package), package):
            if not name.endswith(".pyc"):
                digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")).hexdigest()


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """Give a folder on the site's own disk, from which files are moved into place, and remove what is left of it."""
    try:
        parent = out.resolve().parent
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=parent))
    except OSError as error:
        raise StoreError(f"cannot write the site to {out}: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _written(staging: Path) -> Iterator[tuple[str, Path]]:
    for place, _, names in os.walk(staging):
        for name in names:
            path = Path(place, name)
            yield path.relative_to(staging).as_posix(), path
