"""Part ``concurrency``: equal runs at the same time, by ``benchsuite run --jobs``, against one run alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial

from benchsuite.acceptance.parts import PartRequest, Report
from benchsuite.acceptance.trainers import BATCH_SIZE, DENSE
from benchsuite.errors import PartFailedError
from benchsuite.records.model import RunRecord
from benchsuite.records.selftest import ConcurrentRuns
from benchsuite.records.store import RecordStore
from benchsuite.results.model import BASELINE_RULE

COUNTS = {"cpu": (1, 2, 4), "cuda": (1, 4, 16, 64)}

EPOCHS = {"cpu": 2, "cuda": 200}
"""About a second of training each."""

EXAMPLES = 100 * BATCH_SIZE
TRACK = "selftest-dense"


def measure(request: PartRequest, report: Report) -> None:
    """Report a row per number of runs.

    Raises:
        PartFailedError: if a run did not complete, or time was too short to compare two numbers of runs.

    """
    write_track(request)
    device = request.device.partition(":")[0]
    alone: float | None = None
    needed_by: Callable[[int], float] = lambda count: 0.0  # noqa: E731 - replaced after each measurement
    measured = 0
    for count in COUNTS[device]:
        needed = needed_by(count)
        if needed > request.left_s():
            reason = f"up to {needed:.0f} s, and {max(0.0, request.left_s()):.0f} s are left"
            report(ConcurrentRuns(runs=count, reason=reason))
            continue
        began = request.left_s()
        elapsed = _elapsed_s(request, count)
        measured += 1
        needed_by = partial(_at_most_s, began - request.left_s() - elapsed, elapsed / count)
        per_hour = 3600 * count / elapsed
        alone = alone or per_hour
        report(
            ConcurrentRuns(
                runs=count,
                elapsed_s=round(elapsed, 3),
                runs_per_hour=round(per_hour, 1),
                ratio_to_one=round(per_hour / alone, 3),
            )
        )

    if measured < 2:
        raise PartFailedError("time ran out before runs at once could be compared with one alone; give more --minutes")


def _at_most_s(start_s: float, run_s: float, count: int) -> float:
    """Return the time of a command whose runs gain nothing from each other."""
    return start_s + run_s * count


def write_track(request: PartRequest) -> None:
    """Write the spec of the runs' track."""
    channels, height, width = DENSE.image_shape
    track = {
        "title": "Random images of MNIST's shape",
        "source": "ours",
        "dataset": {
            "extends": "synthetic",
            "train_examples": EXAMPLES,
            "test_examples": BATCH_SIZE,
            "channels": channels,
            "height": height,
            "width": width,
        },
        "architecture": DENSE.name,
        "protocol": {
            "epochs": EPOCHS[request.device.partition(":")[0]],
            "batch_size": BATCH_SIZE,
            "optimizer": {"kind": "adam", "learning_rate": 3e-4},
            "evaluation": {"every_epochs": 1000, "train_set": False},
        },
        "tiers": {"smoke": {}, "quick": {}, "paper": {}},
    }
    folder = request.scratch / "specs" / "tracks"
    folder.mkdir(parents=True)
    (folder / f"{TRACK}.yaml").write_text(json.dumps(track), encoding="utf-8")  # JSON is YAML


def _elapsed_s(request: PartRequest, count: int) -> float:
    """Make runs at the same time and return the time from the start of the first to the end of the last."""
    store = request.scratch / f"store-{count}"
    # A CPU's runs have a thread each, whatever their number, so that they are equal.
    fields = [f"hardware.device={request.device}"] + ([] if request.is_gpu else ["hardware.threads=1"])
    words = [sys.executable, "-m", "benchsuite", "run", TRACK, "--specs", str(request.scratch / "specs")]
    words += ["--rules", BASELINE_RULE, "--seeds", str(count), "--jobs", str(count), "--tier", "quick", "--json"]
    words += ["--store", str(store), "--tracking-uri", "none", "--data-root", str(request.scratch)]
    for field in fields:
        words += ["--set", field]
    allowed = max(0.0, request.left_s())
    shown = f"{count} runs at once" if count > 1 else "one run"
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            timeout=allowed,
            cwd=request.scratch,  # nothing that lies in the user's folder is imported in place of the suite
        )
    except subprocess.TimeoutExpired:
        raise PartFailedError(
            f"{shown} took longer than the {allowed:.0f} s that were left; give more --minutes"
        ) from None
    records = [record for record in RecordStore(store).read_all() if isinstance(record, RunRecord)]
    completed = [record for record in records if record.status == "completed"]
    if len(completed) < count:
        reasons = [record.reason for record in records if record.reason] or done.stderr.strip().splitlines()[-1:]
        raise PartFailedError(f"{len(completed)} of {count} runs at once completed: {''.join(reasons[:1])[:300]}")
    started = min(record.started_at for record in completed)
    return (max(record.ended_at for record in completed) - started).total_seconds()
