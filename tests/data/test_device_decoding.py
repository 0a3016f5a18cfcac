"""Oracle: the images that processes decode. Who decodes on a device is an argument, so that a stand-in can on a CPU."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torchvision.io import ImageReadMode, decode_jpeg

from benchsuite.data.imagenet.files import list_imagenet
from benchsuite.data.images.device_decoding import DeviceDecoder, nvjpeg
from benchsuite.data.images.image_bytes import jpeg_channels
from benchsuite.data.images.streamed import StreamedData, StreamedDataset
from benchsuite.data.load import load_dataset
from benchsuite.errors import DataError

from .imagenet_cases import CPU, epoch, spec, streamed


def test_a_device_that_cannot_decode_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match="decoder: device needs a CUDA device, this is cpu"):
        streamed(root, decoder="device")


def on_device(
    root: Path, decoder: DeviceDecoder | None, device: torch.device = CPU, processes: int = 1
) -> StreamedData:
    """Return the data as a device decodes them, or whoever stands in for one."""
    dataset = load_dataset(spec(decoder="device"), root.parent)
    assert isinstance(dataset, StreamedDataset)
    return StreamedData(dataset, device, processes, decoder)


def by_torchvision(contents: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
    """Decode as a device would, on the CPU; raises RuntimeError for what it does not read."""
    return [decode_jpeg(content, mode=ImageReadMode.RGB).to(device) for content in contents]


def refusing_all_but_the_first() -> DeviceDecoder:
    """Return a decoder that decodes what it is tried on, and refuses all that comes then."""
    tries = iter([True])

    def decoder(contents: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
        if not next(tries, False):
            raise RuntimeError("nvjpegDecodeBatched failed: 2")
        return by_torchvision(contents, device)

    return decoder


def everything(data: StreamedData) -> dict[str, torch.Tensor]:
    """Return all test images, all training images as measured on, and an epoch's views of these, on the CPU."""
    order = torch.randperm(18, generator=torch.Generator().manual_seed(1))
    return {
        "test": torch.cat([inputs for inputs, _ in data.test_slices(5)]).cpu(),
        "train": torch.cat([inputs for inputs, _ in data.train_slices(5)]).cpu(),
        "learned": epoch(data, order)[0].cpu(),
    }


@pytest.mark.parametrize(
    ("device", "decoder"),
    [
        pytest.param(CPU, by_torchvision, id="stand-in"),
        # NVIDIA's own library, where there is a device for it; all else of the test is held by the stand-in everywhere.
        pytest.param(
            torch.device("cuda"),
            None,
            id="cuda",
            marks=pytest.mark.gpu,
        ),
    ],
)
def test_a_device_that_decodes_gives_nearly_the_same_pixels(
    root: Path, device: torch.device, decoder: DeviceDecoder | None
) -> None:
    """Catches images that swap places where a batch has files that the host decodes: these are in ``train`` only."""
    kinds = [jpeg_channels((root / os.fsdecode(path)).read_bytes()) for path in list_imagenet(root).train.paths]
    assert {1, 4, None} <= set(kinds[:10])
    theirs, ours = everything(on_device(root, decoder, device)), everything(streamed(root))
    for part, pixels in ours.items():
        difference = (theirs[part] - pixels).abs().mean(dim=(1, 2, 3))
        assert difference.max() < 6 / 255, part
        assert (pixels.roll(1, 0) - pixels).abs().mean(dim=(1, 2, 3)).min() > 12 / 255, "one image passes for another"


def test_a_batch_that_the_device_refuses_is_decoded_on_the_host(root: Path) -> None:
    """One odd file among a million must not end the run."""
    theirs, ours = everything(on_device(root, refusing_all_but_the_first())), everything(streamed(root))
    for part, pixels in ours.items():
        assert torch.equal(theirs[part], pixels), part


@pytest.mark.parametrize("processes", [0, 1])
def test_an_image_that_neither_device_nor_host_decodes_is_named(root: Path, tmp_path: Path, processes: int) -> None:
    folder = tmp_path / "imagenet"
    shutil.copytree(root, folder)
    path = folder / "val" / "n90000001" / "n90000001_1.JPEG"
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DataError, match=r"^.*n90000001_1\.JPEG: cannot be decoded.*truncated.*replace it$"):
        list(on_device(folder, by_torchvision, processes=processes).test_slices(3))


def test_a_device_without_memory_is_not_taken_for_damaged_files(root: Path) -> None:
    def full(contents: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
        if len(contents) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return by_torchvision(contents, device)

    with pytest.raises(torch.OutOfMemoryError):
        list(on_device(root, full, processes=0).test_slices(4))


def test_a_build_that_decodes_nothing_is_refused_before_the_first_batch(root: Path) -> None:
    """Else every batch would be decoded on the host, slowly, under the name of the other decoder."""

    def absent(contents: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
        raise RuntimeError("decode_jpegs_cuda: torchvision not compiled with nvJPEG support")

    with pytest.raises(DataError, match=r"cannot decode JPEG on cpu .*not compiled.*; use decoder: processes"):
        on_device(root, absent)


def test_the_device_decoder_waits_for_what_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes to memory that queued kernels may still read: numbers would change now and then."""
    happened = []
    stream = SimpleNamespace(synchronize=lambda: happened.append("waited"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr("torchvision.io.decode_jpeg", lambda *_, **__: happened.append("decoded") or [])
    nvjpeg([torch.zeros(1, dtype=torch.uint8)], torch.device("cuda"))
    assert happened == ["waited", "decoded"]


def test_files_for_the_device_take_few_descriptors(root: Path) -> None:
    """A tensor an image is a file descriptor an image, and a batch of 256 more than a process may have."""
    data = on_device(root, by_torchvision)
    order = torch.arange(18).repeat(20)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 50, hard))
    try:
        batches = list(data.train_batches(order, [slice(start, start + 120) for start in (0, 120, 240)]))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [len(targets) for _, targets in batches] == [120, 120, 120]
