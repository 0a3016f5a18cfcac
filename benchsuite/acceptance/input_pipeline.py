"""Part ``input_pipeline``: training on images that are read from files, against images that are on the device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import repeat

import torch

from benchsuite.acceptance.parts import PartRequest, Report
from benchsuite.acceptance.trainers import CONV, architecture_named, make_trainer
from benchsuite.credit.batch import Batch
from benchsuite.data.images.streamed import AHEAD, StreamedData, StreamedDataset
from benchsuite.data.load import load_dataset
from benchsuite.data.source import Batch as Examples
from benchsuite.records.selftest import InputRate
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.dataset import GeneratedImages, ImagenetDataset, Normalization
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.training.device import open_device

NETWORK = {"cpu": CONV.name, "cuda": "resnet18"}
BATCH_SIZE = {"cpu": 32, "cuda": 128}
IMAGE_SIZE = {"cpu": 32, "cuda": 64}

IMAGES = GeneratedImages(classes=8, train_images=64, test_images=1)
"""JPEG files of about a hundred pixels a side; ImageNet's are five times as large."""

LEAST_STEPS = 2


def measure(request: PartRequest, report: Report) -> None:
    """Report images per second of the same steps with images from each source."""
    kind = request.device.partition(":")[0]
    size, side = BATCH_SIZE[kind], IMAGE_SIZE[kind]
    device = open_device(HardwareSpec(name="selftest", device=request.device))
    spec = ImagenetDataset(
        name="selftest",
        kind="imagenet",
        image_size=side,
        resize=side + side // 8,
        sample=IMAGES,
        normalization=Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    )
    dataset = load_dataset(spec, request.scratch)
    assert isinstance(dataset, StreamedDataset)  # noqa: S101 - images of this kind are in files
    data = StreamedData(dataset, device.torch_device)
    protocol = ProtocolSpec.model_validate(
        {"epochs": 1, "batch_size": size, "optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9}}
    )
    trainer = make_trainer(architecture_named(NETWORK[kind]), None, data, protocol, device, installed_registry())
    trainer.begin()

    def images_per_s(batches: Iterator[Examples], seconds: float) -> float:
        device.synchronize()
        steps, began = 0, time.perf_counter()
        while steps < LEAST_STEPS or time.perf_counter() - began < seconds:
            inputs, targets = next(batches)
            trainer.take_step(trainer.with_memory_format(Batch(inputs, targets, trainer.criterion)))
            steps += 1
            if not steps % AHEAD:
                device.synchronize()  # else the clock would be that of the host, far ahead
        device.synchronize()
        return size * steps / (time.perf_counter() - began)

    # Decoded in this process: those that decode for the other side take seconds to start.
    same = repeat(next(endless(StreamedData(dataset, device.torch_device, 0), size)))
    images_per_s(same, 0)
    resident = images_per_s(same, request.left_s() / 4)
    common = {"network": NETWORK[kind], "batch_size": size, "processes": data.processes}
    report(InputRate(source="resident", images_per_s=round(resident, 1), **common))
    streamed = endless(data, size)
    # What was made ready while nobody asked would be counted as the pipeline's speed.
    for _ in range(AHEAD * max(1, data.processes)):
        next(streamed)
    rate = images_per_s(streamed, request.left_s() / 2)
    ratio = round(rate / resident, 4)
    report(InputRate(source="streamed", images_per_s=round(rate, 1), ratio_to_resident=ratio, **common))


def endless(data: StreamedData, size: int) -> Iterator[Examples]:
    """Yield whole batches, epoch after epoch."""
    generator = torch.Generator().manual_seed(0)
    starts = range(0, data.train_examples - size + 1, size)
    while True:
        order = torch.randperm(data.train_examples, generator=generator)  # (examples,)
        yield from data.train_batches(order, [slice(s, s + size) for s in starts], data.draw_augmentation(generator))
