"""Share of a network's speed that ImageNet's input pipeline leaves: images/s on files against data on the device.

    python benchmarks/imagenet_pipeline.py [--data-root DIR] [--side 256] [--device cuda] [--precision bf16]
        [--decoder device] [--memory-format channels_last] [--architecture resnet18] [--batch N] [--steps N]
        [--processes N] [--turns N] [--json FILE]

Both sides take the same steps of the same network; one gets its batches from the folders (or from what `benchsuite
data prepare imagenet` made, with --side), decoded by processes while the device works, the other the same batch again
and again. Where there is no ImageNet, images of its usual size (500 x 375, JPEG of quality 90) are generated once. The
sides take turns; printed is the share, its median and quartiles over the turns, and what the pipeline gives by itself.
Before a turn on files, what was decoded while the other side ran is thrown away, and the turn is several times as long
as what processes keep ready: else a pipeline too slow by half would pass. The goal is for a GPU machine.
No ``--smoke``: it makes hundreds of images and starts processes that decode them; ``--turns 1 --steps 1`` is short.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from pairing import quartiles, show, write_json
from PIL import Image
from resnets import SGD

from benchsuite.credit.batch import Batch
from benchsuite.data.images.streamed import AHEAD, StreamedData, StreamedDataset
from benchsuite.data.load import load_dataset
from benchsuite.data.roots import find_data_root
from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.loading.kinds import adapter_of
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.specs.models.track import RuleSpec
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.device import open_device
from benchsuite.training.seeds import derive_seeds
from benchsuite.training.trainer import Trainer


def stand_in(root: Path, images: int) -> None:
    """Make files as large as ImageNet's usual ones, of smooth noise."""
    random = np.random.default_rng(0)
    for number in range(images):
        for part in ("train", "val") if number < 16 else ("train",):
            wnid = f"n{90000000 + number % 8}"
            folder = root / part / wnid
            folder.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(random.integers(0, 256, (47, 63, 3), dtype=np.uint8)).resize((500, 375))
            noisy = np.asarray(coarse, dtype=np.int16) + random.integers(-12, 12, (375, 500, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.JPEG", "JPEG", quality=90)


def endless(data: StreamedData, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Go through epoch after epoch, whole batches only."""
    generator = torch.Generator().manual_seed(0)
    while True:
        order = torch.randperm(data.train_examples, generator=generator)
        starts = range(0, data.train_examples - batch + 1, batch)
        yield from data.train_batches(order, [slice(s, s + batch) for s in starts], data.draw_augmentation(generator))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, default=None)
    parser.add_argument("--side", type=int, default=None, help="read what was prepared at this side; else the files")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "tf32", "bf16"])
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--decoder", default="processes", choices=["processes", "device"])
    parser.add_argument("--memory-format", default="contiguous", choices=["contiguous", "channels_last"])
    parser.add_argument("--steps", type=int, default=None, help="of one turn; else four times what is kept ready")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--processes", type=int, default=None)
    parser.add_argument("--json", type=Path, default=None)
    given = parser.parse_args()
    on_gpu = given.device.startswith("cuda")
    batch = given.batch or (256 if on_gpu else 16)
    root = find_data_root(given.data_root)
    if not (root / "imagenet").is_dir():
        root = root / "imagenet-stand-in"
        if not root.is_dir():
            stand_in(root / "imagenet", max(8 * batch, 256))
        print(f"no ImageNet; images of its size are in {root}")
    plain = SpecLibrary([builtin_folder()]).load("datasets", "imagenet").plain()
    asked = {"name": "imagenet", "stored_side": given.side, "decoder": given.decoder}
    spec = adapter_of("dataset").validate_python({**plain, **asked})
    dataset = load_dataset(spec, root)
    assert isinstance(dataset, StreamedDataset)
    keep_freed_memory()
    hardware = HardwareSpec(name="timed", device=given.device, precision=given.precision)
    device, registry = open_device(hardware), installed_registry()
    data = StreamedData(dataset, device.torch_device, given.processes)
    network = SpecLibrary([builtin_folder()]).load("architectures", given.architecture).plain()
    architecture = adapter_of("architecture").validate_python({**network, "name": given.architecture})
    protocol = ProtocolSpec.model_validate({"epochs": 1, "batch_size": batch, "optimizer": SGD})
    parts = TrainingSpecs(architecture, protocol, RuleSpec(name="backprop"), derive_seeds(0))
    trainer = assemble(parts, data, device, registry)
    trainer.set_channels_last(given.memory_format == "channels_last")
    trainer.network.train()
    source = endless(data, batch)
    resident = next(source)
    ready = AHEAD * max(data.processes, 1)
    steps = given.steps or 4 * ready

    def timed(batches: Iterator[tuple[torch.Tensor, torch.Tensor]]) -> float:
        device.synchronize()
        start = perf_counter()
        for _ in range(steps):
            step(trainer, next(batches))
        device.synchronize()
        return steps * batch / (perf_counter() - start)

    def same() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield resident

    def use_up() -> None:
        """Throw away what was made ready while nobody asked."""
        for _ in range(ready):
            next(source)

    def from_files() -> float:
        use_up()
        return timed(source)

    timed(same())
    rates = []
    for turn in range(given.turns):
        pair = {kind: from_files() if kind else timed(same()) for kind in ((0, 1) if turn % 2 else (1, 0))}
        rates.append(pair)
    # From now on batches come as fast as they are made.
    use_up()
    start = perf_counter()
    for _ in range(4 * ready):
        next(source)
    alone = 4 * ready * batch / (perf_counter() - start)
    share = f"{given.architecture}, batch {batch}, {data.processes} processes: from files / random data on the device"
    results = {share: quartiles([pair[1] / pair[0] for pair in rates])}
    print(f"random data {np.median([p[0] for p in rates]):.1f} images/s, pipeline by itself {alone:.1f} images/s")
    show(results, {share: ">= 0.9"})
    write_json(given.json, results)


def step(trainer: Trainer, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    trainer._step(trainer.with_memory_format(Batch(*batch, trainer.criterion)))


if __name__ == "__main__":
    main()
