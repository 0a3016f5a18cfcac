"""CPU seconds of the suite core: each quick run, and all tuning trials and final runs together.

    OMP_NUM_THREADS=1 python benchmarks/core_cost.py [--data-root DIR] [--tracks PATTERN …] [--steps N] [--json FILE]

Trains every rule for a few steps on each track whose data set is here and evaluates on 1,000 test examples, then
extrapolates to the tier's epochs. Time is this process's processor time, so other work on the machine matters less than
it would for a clock. The sum counts the trials and finalists of each track's tuning budget and the suite's seeds.
No ``--smoke``: it needs the suite's data sets; ``--tracks core-mnist-dense --rules backprop --steps 1`` is short.
Diagnostics are left out: they are to take less than a twentieth of the training. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from pairing import settle_machine, write_json

from benchsuite.data.resident import ResidentData
from benchsuite.data.roots import find_data_root
from benchsuite.errors import DataError
from benchsuite.execution.loading import DataLoader
from benchsuite.execution.plan import make_plan
from benchsuite.registry.manager import Registry, installed_registry
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import Selection, resolve
from benchsuite.specs.models.track import RunSpec, SuiteSpec, TrackSpec
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.device import open_device
from benchsuite.training.seeds import derive_seeds

SUITE = "core"
TIER = "quick"
TEST_EXAMPLES = 1000


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one rule on one track."""

    track: str
    rule: str
    step_s: float
    run_s: float
    """One run at the tier: its training and evaluation."""
    cell_s: float
    """All trials and final runs."""


def load(kind: str, name: str) -> dict[str, object]:
    plain: dict[str, object] = SpecLibrary([builtin_folder()]).load(kind, name).plain()  # type: ignore[arg-type]
    return {**plain, "name": name}


def plan(registry: Registry, data_root: Path, overrides: tuple[str, ...] = ()) -> list[RunSpec]:
    """Return the suite's runs of one seed, without those that are refused."""
    selection = Selection(SUITE, tier=TIER, seeds=(0,), hardware="cpu", overrides=overrides)
    runs = resolve(selection, SpecLibrary([builtin_folder()]), registry)
    return [p.selected.spec for p in make_plan(runs, registry, data_root) if not p.refused]


def seconds_of(spec: RunSpec, steps: int, registry: Registry, loader: DataLoader) -> tuple[float, float, float]:
    """Return the CPU seconds of the start, of a step and of an evaluated test example."""
    device = open_device(spec.hardware)
    data = ResidentData(loader.load_resident(spec.dataset), spec.dataset.normalization, device.torch_device)
    parts = TrainingSpecs(spec.architecture, spec.protocol, spec.rule, derive_seeds(spec.seed))
    trainer = assemble(parts, data, device, registry)
    trainer.warm_up()
    times = [time.process_time()]
    trainer.begin()
    times.append(time.process_time())
    trainer.train_epoch()
    times.append(time.process_time())
    trainer.evaluate("test")
    times.append(time.process_time())
    start, epoch, test = (after - before for before, after in pairwise(times))
    return start, epoch / steps, test / TEST_EXAMPLES


def measure(whole: RunSpec, short: RunSpec, steps: int, registry: Registry, loader: DataLoader) -> Cost:
    """Measure a short run and return the cost of the whole one."""
    start, step, example = seconds_of(short, steps, registry, loader)
    protocol, data = whole.protocol, loader.load_resident(whole.dataset)
    epoch = protocol.steps_per_epoch(len(data.train_targets)) * step
    epoch += len(data.test_targets) * example / protocol.evaluation.every_epochs
    track = TrackSpec.model_validate(load("tracks", whole.track))
    changes = track.tiers[TIER].tuning if TIER in track.tiers else {}
    budget = track.tuning.model_copy(update=changes)
    seeds = SuiteSpec.model_validate(load("suites", SUITE)).seeds
    run = start + protocol.epochs * epoch
    trials = budget.trials * (start + (budget.epochs or protocol.epochs) * epoch)
    trials += budget.finalists * (start + (budget.final_epochs or protocol.epochs) * epoch)
    if protocol.frozen != "none":
        trials = 0.0  # a control has its rule's settings
    return Cost(whole.track, whole.rule.title or whole.rule.name, step, run, trials + seeds * run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--tracks", nargs="+", default=["*"])
    parser.add_argument("--rules", nargs="+", default=["*"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    settle_machine(f"suite {SUITE}, tier {TIER}, {given.steps} steps per rule and track")
    registry = installed_registry()
    loader = DataLoader(find_data_root(given.data_root), registry)
    costs: list[Cost] = []
    whole = plan(registry, loader.data_root)
    for spec in whole:
        wanted = any(fnmatchcase(spec.track, p) for p in given.tracks) and any(
            fnmatchcase(spec.rule.name, p) for p in given.rules
        )
        if not wanted:
            continue
        examples = given.steps * spec.protocol.batch_size
        dataset = spec.dataset.model_copy(update={"train_limit": examples, "test_limit": TEST_EXAMPLES})
        try:
            costs.append(measure(spec, spec.model_copy(update={"dataset": dataset}), given.steps, registry, loader))
        except DataError:
            continue
        cost = costs[-1]
        print(f"{cost.track:<36} {cost.rule:<44} {1e3 * cost.step_s:8.1f} ms/step {cost.run_s:8.0f} s/run", flush=True)
    for track in dict.fromkeys(cost.track for cost in costs):
        print(f"{track:<36} {sum(c.cell_s for c in costs if c.track == track) / 3600:6.2f} core-hours")
    print(f"in all {sum(cost.cell_s for cost in costs) / 3600:.1f} core-hours")
    write_json(given.json, [asdict(cost) for cost in costs])


if __name__ == "__main__":
    main()
