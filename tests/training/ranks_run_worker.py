"""One run by several processes, left to itself or stopped in its third epoch, for ``test_ranks.py``.

Started by ``torchrun ranks_run_worker.py STORE HOW``, HOW being 'whole', 'killed' (all of them) or 'lost' (the second);
``ranks_worker.py`` makes a run that is 'whole', and one that is 'streamed' (left to itself, on images from files).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.execution import checkpointing
from benchsuite.execution.interruption import sigterm_as_interrupt
from benchsuite.execution.record_building import LoadedData
from benchsuite.execution.run import Run
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.ranks import Ranks, process_group
from benchsuite.training.trainer import Trainer

# Dropout, batch norms with averages of their own, noise and Adam's moments: all of it has to come back.
SPEC: dict[str, Any] = {
    "track": "tiny",
    "tier": "smoke",
    "seed": 0,
    "diagnostics": {},
    "dataset": {
        "name": "tiny",
        "kind": "synthetic",
        "train_examples": 96,
        "test_examples": 40,
        "height": 4,
        "width": 4,
        "classes": 7,
        "augmentation": {"kind": "crop_and_flip", "padding": 1},
    },
    "architecture": {
        "name": "tiny",
        "kind": "chain",
        "layers": [
            {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1, "norm": "batch"},
            {"kind": "max_pool", "size": 2},
            {"kind": "dense", "units": 12},
            {"kind": "dropout", "probability": 0.3},
        ],
    },
    "protocol": {"epochs": 4, "batch_size": 20, "optimizer": {"kind": "adam", "learning_rate": 0.01}},
    "rule": {"name": "weight_mirror", "config": {"initial_mirror_steps": 5}},
    "hardware": {"name": "cpu", "device": "cpu", "threads": 1, "world_size": 2},
}

# Nothing that two processes with half of each batch would do otherwise.
STREAMED: dict[str, Any] = {
    **SPEC,
    "dataset": {
        "name": "files",
        "kind": "imagenet",
        "image_size": 16,
        "resize": 20,
        "sample": {"classes": 7, "train_images": 7, "test_images": 4},
    },
    "architecture": {
        "name": "tiny",
        "kind": "chain",
        "layers": [
            {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1},
            {"kind": "max_pool", "size": 2},
            {"kind": "dense", "units": 12},
        ],
    },
    "protocol": {"epochs": 2, "batch_size": 20, "optimizer": {"kind": "sgd", "learning_rate": 0.02}},
    "rule": {"name": "backprop", "config": {}},
    "hardware": {"name": "cpu", "device": "cpu", "threads": 1, "world_size": 2, "loader_processes": 1},
}


def kill_all(store: Path, ranks: Ranks) -> None:
    """Kill the processes of this run; the first one does it, once the others stand still.

    One that worked on would notice that another is gone, and write a record. Nothing is sent to tell them apart: after
    a broadcast or a barrier, one process may be gone before another has left it.
    """
    mine = store / f"{ranks.rank}.pid"
    if ranks.rank:
        mine.with_suffix(".tmp").write_text(str(os.getpid()))
        mine.with_suffix(".tmp").rename(mine)
        time.sleep(600)
    others = [store / f"{rank}.pid" for rank in range(1, ranks.world_size)]
    while not all(path.exists() for path in others):
        time.sleep(0.01)
    for path in others:
        os.kill(int(path.read_text()), signal.SIGKILL)
        path.unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def make(store: Path, how: str, ranks: Ranks) -> None:
    """Make the run, or begin to; all processes of the group call it."""
    records = RecordStore(store)
    records.prepare()
    checkpointing.CHECKPOINT_EVERY_S = 0.0
    train_epoch = Trainer.train_epoch

    def stopped(self: Trainer, deadline: float | None = None) -> object:
        if self.epoch == 2 and how == "killed":
            kill_all(store, ranks)
        if self.epoch == 2 and how == "lost" and ranks.rank == 1:
            raise RuntimeError("the cable came out")
        return train_epoch(self, deadline)

    Trainer.train_epoch = stopped  # type: ignore[method-assign, assignment]
    registry = installed_registry()
    wanted = STREAMED if how == "streamed" else SPEC
    rule = registry.rule_config(wanted["rule"]["name"], wanted["rule"]["config"])
    spec = RunSpec.model_validate({**wanted, "rule": {**wanted["rule"], "config": rule}})
    dataset = load_dataset(spec.dataset, store)
    data = LoadedData(dataset, fingerprint(dataset))
    Run(SelectedRun(spec, "benchsuite run tiny"), data, records, registry, ranks=ranks).execute()
    Trainer.train_epoch = train_epoch  # type: ignore[method-assign]


if __name__ == "__main__":
    # As a session has it: torchrun ends the others of a lost process by SIGTERM, before or after they notice the loss.
    with sigterm_as_interrupt(), process_group() as made_by:
        make(Path(sys.argv[1]), sys.argv[2], made_by)
