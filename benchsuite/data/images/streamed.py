"""Data sets too large for the device: worker processes decode images while the device computes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from benchsuite.data.images.device_decoding import DeviceDecoder, decode_on_device, nvjpeg, require_decoder, undecodable
from benchsuite.data.images.image_bytes import decode
from benchsuite.data.images.sources import ImageSource
from benchsuite.data.images.views import View
from benchsuite.data.normalizing import Normalizer
from benchsuite.data.source import Batch
from benchsuite.data.wording import one_line
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import ImagenetDataset

# Batches that each process prepares in advance.
AHEAD = 3


@dataclass(frozen=True)
class StreamedPart:
    """Training or test images.

    Attributes:
        images: images by number.
        targets: classes, shape (images,), int64.
    """

    images: ImageSource
    targets: Tensor

    def first(self, limit: int | None) -> StreamedPart:
        """Return the first ``limit`` images; the source may have more."""
        return StreamedPart(self.images, self.targets[:limit])


@dataclass(frozen=True)
class StreamedDataset:
    """A data set in files; the counterpart of ``DecodedDataset`` for data in memory.

    Attributes:
        spec: decoding, crop and augmentation of the images.
        train: training images.
        test: test images.
        classes: number of classes.
        fingerprint: sha256 over the name, class and size of every image, or over the content of packs.
    """

    spec: ImagenetDataset
    train: StreamedPart
    test: StreamedPart
    classes: int
    fingerprint: str
    canonical: None = None

    @property
    def train_targets(self) -> Tensor:
        """Classes of the training images."""
        return self.train.targets

    @property
    def test_targets(self) -> Tensor:
        """Classes of the test images."""
        return self.test.targets

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one image as the network's input."""
        return (3, self.spec.image_size, self.spec.image_size)


Wanted = tuple[int, int]
"""Number of an image, and the random number drawn for it."""


@dataclass(frozen=True)
class Fault:
    """An image that cannot be decoded, and the reason."""

    name: str
    reason: str

    def __str__(self) -> str:
        """Return the image's name with the reason."""
        return f"{self.name} ({self.reason})"


Item = tuple[Tensor | Fault, Wanted]
"""An image or what is wrong with its file, with the request it answers."""


class _Views(Dataset[Item]):
    """Images as network inputs, or their bytes if a device decodes them."""

    def __init__(self, part: StreamedPart, view: View, raw: bool) -> None:
        self.part, self.view, self.raw = part, view, raw

    def __getitem__(self, wanted: Wanted) -> Item:
        number, drawn = wanted
        try:
            content = self.part.images.read(number)
            if self.raw:
                return torch.frombuffer(bytearray(content), dtype=torch.uint8), wanted
            return self.view(decode(content), drawn), wanted
        except Exception as error:  # a damaged file makes a codec raise anything
            # Returned, not raised: a loader would add the worker's traceback to the message.
            return Fault(self.part.images.name(number), one_line(error)), wanted


class _Chosen(Sampler[list[Wanted]]):
    """Batches of image requests, replaced each epoch, so that worker processes persist between epochs."""

    def __init__(self) -> None:
        self.batches: Sequence[Sequence[Wanted]] = ()

    def __iter__(self) -> Iterator[list[Wanted]]:
        return (list(batch) for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


@dataclass(frozen=True)
class _Collated:
    """A batch as a worker process sends it: one tensor for all images.

    A tensor in shared memory takes one file descriptor on both sides. One tensor per image, with 256 images and several
    batches in advance, would exceed the usual limit of 1024 descriptors per process.

    Attributes:
        content: stacked images; or the bytes of files, one after the other.
        lengths: length of each file in bytes; None for stacked images.
        wanted: the requests of the images.
        faults: those that cannot be decoded; if there are any, there is no content.
    """

    content: Tensor
    lengths: list[int] | None
    wanted: list[Wanted]
    faults: tuple[Fault, ...] = ()

    def pin_memory(self) -> _Collated:
        """Return a copy in pinned memory; the loader calls this."""
        return replace(self, content=self.content.pin_memory())


def _collate(items: list[Item]) -> _Collated:
    return _joined(items, lambda images: (torch.stack(images), None))


def _collate_raw(items: list[Item]) -> _Collated:
    return _joined(items, lambda files: (torch.cat(files), [len(file) for file in files]))


def _joined(items: list[Item], join: Callable[[list[Tensor]], tuple[Tensor, list[int] | None]]) -> _Collated:
    wanted = [drawn for _, drawn in items]
    faults = tuple(image for image, _ in items if isinstance(image, Fault))
    if faults:
        return _Collated(torch.empty(0, dtype=torch.uint8), None, wanted, faults)
    return _Collated(*join([image for image, _ in items if isinstance(image, Tensor)]), wanted)


class StreamedData:
    """Batches of a streamed data set for one device."""

    def __init__(
        self,
        dataset: StreamedDataset,
        device: torch.device,
        processes: int | None = None,
        device_decoder: DeviceDecoder | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Prepare for a device; worker processes start with the first batch.

        Args:
            dataset: the data set from ``load_dataset``.
            device: device of the batches.
            processes: number of worker processes that decode; 0 decodes in this process. Default: all cores that this
                process may use. Results do not depend on it.
            device_decoder: decoder for ``decoder: device``; NVIDIA's library if not given.
            dtype: dtype of the batches.

        Raises:
            DataError: if normalisation has neither one entry nor one per channel, or the device cannot decode.
        """
        spec = dataset.spec
        self.dataset, self.device = dataset, device
        self.classes, self.input_shape = dataset.classes, dataset.input_shape
        self.raw = spec.decoder == "device"
        if self.raw and device_decoder is None and device.type != "cuda":
            raise DataError(f"decoder: device needs a CUDA device, this is {device.type}; use decoder: processes")
        self._device_decoder = device_decoder or nvjpeg
        if self.raw:
            require_decoder(self._device_decoder, device)
        self.processes = _cores() if processes is None else processes
        self._normalized = Normalizer(spec.normalization, dataset.input_shape, torch.uint8, device, dtype)
        self._views = {learning: View(spec, learning) for learning in (True, False)}
        self._chosen = _Chosen()
        self._loader: DataLoader[Item] | None = None

    @property
    def train_examples(self) -> int:
        """Number of training examples."""
        return len(self.dataset.train_targets)

    def draw_augmentation(self, generator: Generator) -> Tensor | None:
        """Draw one random number per image of an epoch, in the epoch's order; it seeds the image's augmentation."""
        if self.dataset.spec.augmentation is None:
            return None
        return torch.randint(2**63 - 1, (self.train_examples,), generator=generator)

    def train_batches(self, order: Tensor, parts: Sequence[slice], draws: Tensor | None = None) -> Iterator[Batch]:
        """Iterate over the batches of an epoch; see ``TrainingData``."""
        if self._loader is None:
            self._loader = self._make_loader(_Views(self.dataset.train, self._views[True], self.raw), self._chosen)
        drawn = torch.zeros_like(order) if draws is None else draws
        self._chosen.batches = [list(zip(order[p].tolist(), drawn[p].tolist(), strict=True)) for p in parts]
        targets = (self.dataset.train_targets[order[part]] for part in parts)
        return self._on_device(self._loader, targets, self.dataset.train, self._views[True])

    def train_slices(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Iterate over all training images in order, cropped as in evaluation."""
        return self._slices(self.dataset.train, batch_size, rank, world_size)

    def test_slices(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Iterate over all test images in order."""
        return self._slices(self.dataset.test, batch_size, rank, world_size)

    @property
    def validation_examples(self) -> int:
        """0: of a streamed data set nothing is held out."""
        return 0

    def validation_slices(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Iterate over nothing."""
        return iter(())

    def faults(self, part: StreamedPart, batch_size: int = 256) -> Iterator[Fault]:
        """Decode every image of a part, and yield those that cannot be decoded."""
        chosen = _Chosen()
        numbers = range(len(part.targets))
        chosen.batches = [[(n, 0) for n in numbers[i : i + batch_size]] for i in numbers[::batch_size]]
        loader = self._make_loader(_Views(part, self._views[False], raw=False), chosen, keep=False)
        for batch in cast("Iterable[_Collated]", loader):
            yield from batch.faults

    def _slices(self, part: StreamedPart, batch_size: int, rank: int, world_size: int) -> Iterator[Batch]:
        examples = len(part.targets)
        slices = [slice(i, min(i + batch_size, examples)) for i in range(0, examples, batch_size)][rank::world_size]
        chosen = _Chosen()
        chosen.batches = [[(number, 0) for number in range(s.start, s.stop)] for s in slices]
        loader = self._make_loader(_Views(part, self._views[False], self.raw), chosen, keep=False)
        return self._on_device(loader, (part.targets[s].clone() for s in slices), part, self._views[False])

    def _make_loader(self, views: _Views, chosen: _Chosen, keep: bool = True) -> DataLoader[Item]:
        several = self.processes > 0
        return DataLoader(
            views,
            batch_sampler=chosen,
            num_workers=self.processes,
            collate_fn=_collate_raw if self.raw else _collate,
            pin_memory=self.device.type == "cuda",
            prefetch_factor=AHEAD if several else None,
            worker_init_fn=_end_without_complaint if several else None,
            persistent_workers=several and keep,
        )

    def _on_device(
        self, loader: DataLoader[Item], targets: Iterator[Tensor], part: StreamedPart, view: View
    ) -> Iterator[Batch]:
        batches = cast("Iterable[_Collated]", loader)  # a loader's type does not give the type of collated items
        for batch, labels in zip(batches, targets, strict=True):
            if batch.faults:
                raise DataError(undecodable(batch.faults[0].name, batch.faults[0].reason))
            if batch.lengths is None:
                pixels = batch.content.to(self.device, non_blocking=True)
            else:
                pixels = self._decoded(torch.split(batch.content, batch.lengths), batch.wanted, part, view)
            yield self._normalized(pixels), labels.to(self.device, non_blocking=True)

    def _decoded(self, contents: Sequence[Tensor], wanted: Sequence[Wanted], part: StreamedPart, view: View) -> Tensor:
        numbers, drawn = zip(*wanted, strict=True)
        return decode_on_device(
            contents, drawn, view, self.device, lambda index: part.images.name(numbers[index]), self._device_decoder
        )


def _end_without_complaint(_worker: int) -> None:
    """Make a worker process exit normally on SIGTERM.

    A stopped run usually sends the signal to all of its processes. torch would take a worker killed by it for a crash
    of the run, in the middle of writing its last record.
    """
    signal.signal(signal.SIGTERM, lambda _signal, _frame: os._exit(0))


def _cores() -> int:
    """Return the number of cores for this process, shared with the run's other processes on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
