"""Work of each of several processes in ``test_ranks.py``: makes two runs, trains each case, saves what it ended with.

Started by ``torchrun ranks_worker.py FOLDER``; one process alone calls ``train`` itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from benchsuite.data.load import load_dataset
from benchsuite.data.resident import ResidentData
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.track import RunSpec
from benchsuite.training import gradient_averaging
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.device import open_device
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks, process_group
from benchsuite.training.seeds import derive_seeds

CONV = {
    "kind": "chain",
    "layers": [
        {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1},
        {"kind": "max_pool", "size": 2},
        {"kind": "conv2d", "channels": 6, "kernel": 3, "padding": 1},
        {"kind": "dense", "units": 12},
    ],
}
BOUNDED = {**CONV, "defaults": {"activation": "hard_sigmoid"}}
NORMED = {**CONV, "defaults": {"norm": "batch"}}
VECTORIZED = {
    "kind": "chain",
    "form": "vectorized",
    "weight_sign": "nonnegative",
    "defaults": {"activation": "vector_gate", "initialization": {"scheme": "he_normal", "on_off": "channels"}},
    "layers": [
        {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1},
        {"kind": "average_pool", "size": 2},
        {"kind": "dense", "units": 12},
    ],
}
INVERTIBLE = {
    "kind": "chain",
    "form": "invertible",
    "layers": [{"kind": "dense", "units": 14}, {"kind": "dense", "units": 12}],
    "defaults": {"activation": "leaky_relu", "initialization": {"scheme": "orthogonal"}},
}
IN_STAGES = [{"learns": ["conv*", "dense*"], "share": 2}, {"learns": ["readout"]}]
ADAM = {"kind": "adam", "learning_rate": 0.003}
# Rule, its settings, network, and what else differs from the defaults of ``spec_of``.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "backprop": ("backprop", {}, CONV, {}),
    "backprop, adam": ("backprop", {}, CONV, {"optimizer": ADAM}),
    "feedback alignment": ("feedback_alignment", {}, CONV, {}),
    "kolen-pollack": ("kolen_pollack", {"decay": 0.01}, CONV, {}),
    "sparse random feedback": ("updated_random_feedback", {"connectivity": 0.5}, CONV, {"optimizer": ADAM}),
    "weight mirror": ("weight_mirror", {"initial_mirror_steps": 3}, CONV, {}),
    "sign-symmetry": ("sign_symmetry", {}, CONV, {}),
    "direct feedback alignment": ("direct_feedback_alignment", {}, CONV, {}),
    "gevb": ("gevb", {}, VECTORIZED, {}),
    # γ: what is rounded is divided by it once a segment.
    "gait-prop": ("gait_prop", {"gamma": 0.1}, INVERTIBLE, {"orthogonality": {"kind": "identity", "strength": 0.01}}),
    "normalized gait-prop": ("normalized_gait_prop", {"eta": 0.1}, INVERTIBLE, {}),
    "normalized gait-prop, one scale": ("normalized_gait_prop", {"eta": 0.1, "scale": "per_batch"}, INVERTIBLE, {}),
    "difference target propagation": ("difference_target_propagation", {"target_step": 0.1}, CONV, {"optimizer": ADAM}),
    "node perturbation": ("node_perturbation", {"samples": 2, "exact_readout": False}, CONV, {}),
    "equilibrium propagation": ("equilibrium_propagation", {"free_steps": 6, "nudged_steps": 3}, BOUNDED, {}),
    "forward-forward": ("forward_forward", {}, CONV, {}),
    "mono-forward": ("mono_forward", {}, CONV, {}),
    "soft hebb": ("soft_hebb", {}, CONV, {}),
    "in stages, backprop": ("backprop", {}, CONV, {"stages": IN_STAGES}),
    "in stages, soft hebb": ("soft_hebb", {}, CONV, {"stages": IN_STAGES}),
    "backprop, synchronized norm": ("backprop", {}, NORMED, {"synchronized": True}),
    "feedback alignment, lower half frozen": ("feedback_alignment", {}, CONV, {"frozen": "lower_half"}),
    "direct feedback alignment, synchronized norm": ("direct_feedback_alignment", {}, NORMED, {"synchronized": True}),
}


def spec_of(case: str) -> RunSpec:
    """Return a run of 3 epochs of batches of 64; the last one has 33 examples, or 32 where norms share statistics."""
    rule, config, architecture, others = CASES[case]
    synchronized = others.get("synchronized", False)
    optimizer = others.get("optimizer", {"kind": "sgd", "learning_rate": 0.01, "momentum": 0.9})
    return RunSpec.model_validate(
        {
            "track": "tiny",
            "tier": "smoke",
            "seed": 0,
            "architecture": {"name": "tiny", **architecture},
            "dataset": {
                "name": "tiny",
                "kind": "synthetic",
                "train_examples": 160 if synchronized else 161,
                "height": 4,
                "width": 4,
                "test_examples": 50,
                "classes": 7,
                "normalization": {"mean": [0.5], "std": [0.5]},
                "augmentation": {"kind": "crop_and_flip", "padding": 1},
            },
            "protocol": {
                "epochs": 3,
                "batch_size": 64,
                "optimizer": optimizer,
                "evaluation": {"batch_size": 20},
                "orthogonality": others.get("orthogonality"),
                "frozen": others.get("frozen", "none"),
                "stages": others.get("stages", ()),
            },
            "rule": {"name": rule, "config": config},
            "diagnostics": {},
            "hardware": {
                "name": "cpu",
                "device": "cpu",
                "threads": 1,
                "precision": "fp64",
                "synchronized_batch_norm": synchronized,
            },
        }
    )


def train(case: str, ranks: Ranks = SINGLE_PROCESS) -> dict[str, Any]:
    """Train one case in float64 and return what it came to."""
    spec, registry = spec_of(case), installed_registry()
    dataset = load_dataset(spec.dataset, Path())
    device = open_device(spec.hardware, ranks)
    augmentation, normalization = spec.dataset.augmentation, spec.dataset.normalization
    data = ResidentData(dataset, normalization, device.torch_device, torch.float64, augmentation=augmentation)
    parts = TrainingSpecs(spec.architecture, spec.protocol, spec.rule, derive_seeds(0))
    trainer = assemble(parts, data, device, registry, ranks=ranks)
    assert all(p.dtype == torch.float64 for p in trainer.network.parameters())
    trainer.begin()
    sums = [trainer.train_epoch() for _ in range(spec.protocol.epochs)]
    return {
        "network": trainer.network.state_dict(),
        "feedback": {n: w for n, w in trainer.rule.state_dict().items() if isinstance(w, torch.Tensor)},
        "losses": torch.tensor([s.loss for s in sums], dtype=torch.float64),
        "errors": torch.tensor([s.error for s in sums], dtype=torch.float64),
        "test": torch.tensor(trainer.evaluate("test").model_dump()["loss"], dtype=torch.float64),
        "examples": torch.tensor([sums[0].examples, trainer.evaluate("test").examples]),
    }


def main(folder: Path) -> None:
    """Make two runs, then train all cases and save what this process ended with, nothing taken over from the first.

    In the cases gradients go in small pieces; saved too is how many of them were sent while autograd was at others. All
    of it is done by one start of ``torchrun``, since processes take longer to import torch than to train.
    """
    from ranks_run_worker import make  # started by torchrun, this is a script: its folder is on the path

    with process_group() as ranks:
        for how in ("whole", "streamed"):
            make(folder / how, how, ranks)
        train_cases(folder, ranks)


def train_cases(folder: Path, ranks: Ranks) -> None:
    """Train all cases and save what this process ended with."""
    Ranks.broadcast_from_rank0 = lambda self, tensors: None  # type: ignore[method-assign]
    gradient_averaging.BUCKET_BYTES = 1000
    during_backward = 0
    all_reduce = dist.all_reduce

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal during_backward
        during_backward += torch._C._current_graph_task_id() != -1
        return all_reduce(*arguments, **options)

    dist.all_reduce = counted
    ended: dict[str, Any] = {}
    for case in CASES:
        during_backward = 0
        ended[case] = train(case, ranks)
        ended[f"{case}: sent during backward"] = during_backward
    torch.save(ended, folder / f"{ranks.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
