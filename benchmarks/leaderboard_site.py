"""Cost of the leaderboard at 10,000 records over 60 tracks: building, building again, page sizes, first paint.

    python benchmarks/leaderboard_site.py [--records 10000] [--tracks 60] [--folder FOLDER]

Records are made from an accepted one (MNIST, 40 epochs, six diagnostics, 60 kB) with other names, seeds and errors.
No ``--smoke``: it starts processes and a browser; ``--records 60 --tracks 2`` is short.
Prints figures and asserts nothing. On a machine that others use the wall clock says little, so that seconds of the
processor stand beside it. Memory is of all processes together (PSS), looked at five times a second.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from benchsuite.records.model import RunRecord
from benchsuite.records.reading import record_text

REPOSITORY = Path(__file__).resolve().parents[1]
TEMPLATE = REPOSITORY / "leaderboard" / "records" / "mnist-mirror-fc" / "009268e6f2aea4ec.json"
RULES = (
    "backprop",
    "direct_feedback_alignment",
    "feedback_alignment",
    "gait_prop",
    "gevb",
    "kolen_pollack",
    "node_perturbation",
    "normalized_gait_prop",
    "readout_only",
    "sign_symmetry",
    "target_propagation",
    "updated_random_feedback",
    "weight_mirror",
    "direct_random_target_projection",
    "hebbian_control",
)
LIMITS = "to reach on 2 cores: full <= 20 s and < 1 GB, one record changed <= 2 s, any page < 1 MB, first paint < 1 s"


def make_records(folder: Path, records: int, tracks: int) -> None:
    """Write synthetic records, one folder a track."""
    template = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    draw = random.Random(7)  # noqa: S311 - noise, not a secret
    for index in range(records):
        cell, track = divmod(index, tracks)
        seed, number = divmod(cell, len(RULES))
        place = folder / f"track-{track:02}"
        place.mkdir(parents=True, exist_ok=True)
        error = 0.02 + 0.01 * number + 0.002 * draw.random()
        record = synthetic(template, place.name, RULES[number], seed, error)
        write(place / f"{record['run_id']}.json", record)


def write(path: Path, record: dict[str, Any]) -> None:
    """Write a record as ``benchsuite run`` does."""
    checked = RunRecord.model_validate_json(json.dumps(record))
    path.write_text(record_text(checked), encoding="utf-8")


def synthetic(template: dict[str, Any], track: str, rule: str, seed: int, error: float) -> dict[str, Any]:
    """Return a record of another track, rule and seed, whose errors end at ``error``."""
    record = copy.deepcopy(template)
    digest = hashlib.sha256(f"{track} {rule} {seed}".encode()).hexdigest()
    record |= {
        "run_id": digest[:16],
        "spec_hash": digest,
        "command": f"benchsuite run {track} --rules {rule} --seed {seed}",
    }
    record["spec"] |= {"track": track, "seed": seed, "rule": {"name": rule, "config": {}}}
    for epoch in record["epochs"]:
        for part in ("train", "test"):
            if epoch[part]:
                epoch[part]["error"] = round(error + 0.3 / epoch["epoch"], 6)
    if seed == 1 and rule == "node_perturbation":
        record |= {"status": "diverged", "reason": "the loss was not finite in epoch 3", "epochs": record["epochs"][:3]}
    return record


def proportional_memory_mib(root: int) -> float:
    """Return what a process and its descendants take of the memory, pages that several share counted once."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(root)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss / 2**20
    return total


def measured(command: list[str]) -> tuple[float, float, float, str]:
    """Run a command; return wall seconds, processor seconds, most memory in MiB, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    most = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.2):
            most = max(most, proportional_memory_mib(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    printed, _ = process.communicate()
    wall = time.perf_counter() - started
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, most, printed


@contextlib.contextmanager
def browser() -> Iterator[Callable[[Path], float] | None]:
    """Give a function from a page's file to its first contentful paint in ms; None without Chromium."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        yield None
        return
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(switch)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))

    def paint(page: Path) -> float:
        chrome.get(page.as_uri())
        script = "return performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)[0] ?? -1"
        for _ in range(100):
            found = float(chrome.execute_script(script))
            if found >= 0:
                return found
            time.sleep(0.05)
        return float("nan")

    try:
        yield paint
    finally:
        chrome.quit()


def report(folder: Path) -> None:
    """Build a site of a folder's records, touch one, build again, and print what it cost."""
    records, out = folder / "records", folder / "site"
    build = [sys.executable, "-c", "from benchsuite.cli.main import main; main()", "leaderboard", "build", "--json"]
    build += ["--records", str(records), "--audits", str(REPOSITORY / "leaderboard" / "audits"), "--out", str(out)]
    files = sorted(records.rglob("*.json"))
    size = sum(path.stat().st_size for path in files)
    print(f"{len(files)} records, {size / 1e6:.0f} MB, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {LIMITS}")
    lines = []
    for name in ("full build", "nothing changed", "one record changed"):
        if name.startswith("full"):
            shutil.rmtree(out, ignore_errors=True)
        if name.startswith("one"):
            changed = json.loads(files[0].read_text(encoding="utf-8"))
            changed["epochs"][-1]["test"]["error"] = 0.0123
            write(files[0], changed)
        wall, cpu, memory, printed = measured(build)
        anew = len(json.loads(printed)["rebuilt"])
        lines.append(f"{name:<26} {wall:6.1f} s wall  {cpu:6.1f} s CPU  {memory:5.0f} MiB  {anew} tracks made anew")
        print(lines[-1], flush=True)
    pages = sorted(out.rglob("*.html"), key=lambda path: -path.stat().st_size)
    print(f"{len(pages)} pages, {sum(p.stat().st_size for p in pages) / 1e6:.0f} MB; the largest:")
    for page in pages[:3]:
        print(f"  {page.stat().st_size / 1e3:6.0f} kB  {page.relative_to(out)}")
    track = out / "tracks" / "track-00.html"
    chosen = [
        out / "index.html",
        track,
        out / "rules.html",
        out / "compare.html",
        out / "rules" / "gevb.html",
        next((out / "runs" / "track-00").iterdir()),
        next((out / "compare" / "backprop").iterdir()),
    ]
    with browser() as paint:
        for page in chosen if paint else []:
            times = sorted(paint(page) for _ in range(5)) if paint else []
            print(f"first paint {times[2]:5.0f} ms (worst of 5: {times[-1]:.0f})  {page.relative_to(out)}")


def main() -> None:
    """Make the records, unless the folder has them, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--tracks", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="where records and site go; a temporary folder if not given")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not (folder / "records").exists():
            make_records(folder / "records", given.records, given.tracks)
        report(folder)


if __name__ == "__main__":
    main()
