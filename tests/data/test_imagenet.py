"""Oracles: folders written by hand in ILSVRC-2012's layouts, torchvision's transforms, and the files themselves."""

from __future__ import annotations

import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter
from scipy.io import savemat
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import v2

from benchsuite.data import image_store
from benchsuite.data.device_decoding import DeviceDecoder, nvjpeg
from benchsuite.data.image_bytes import decode, jpeg_channels
from benchsuite.data.image_packing import resized
from benchsuite.data.image_store import damage, make_store, open_store
from benchsuite.data.imagenet_files import list_imagenet
from benchsuite.data.imagenet_sample import make_sample
from benchsuite.data.load import load_dataset
from benchsuite.data.streamed import StreamedData, StreamedDataset
from benchsuite.data.views import View
from benchsuite.errors import DataError
from benchsuite.spec.dataset import DatasetSpec, GeneratedImages, ImagenetDataset

SAMPLE = GeneratedImages(classes=3, train_images=6, test_images=4)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a generated ImageNet in which a run finds it."""
    data_root = tmp_path_factory.mktemp("data")
    made = make_sample(SAMPLE, data_root)
    made.rename(data_root / "imagenet")
    return data_root / "imagenet"


def spec(**fields: Any) -> ImagenetDataset:
    content = {"kind": "imagenet", "name": "imagenet", "image_size": 48, "resize": 56, **fields}
    return TypeAdapter(DatasetSpec).validate_python(content)  # type: ignore[no-any-return]


def streamed(root: Path, processes: int = 0, **fields: Any) -> StreamedData:
    dataset = load_dataset(spec(**fields), root.parent)
    assert isinstance(dataset, StreamedDataset)
    return StreamedData(dataset, CPU, processes)


def flat(root: Path, folder: Path) -> dict[str, str]:
    """Copy a sample with all validation images in one folder, named as ILSVRC names them; return each one's class."""
    shutil.copytree(root / "train", folder / "train")
    (folder / "val").mkdir()
    # In an order in which classes alternate irregularly, so that no rule but the file's gives them.
    images = sorted((root / "val").rglob("*.JPEG"), key=lambda path: path.name[::-1])
    truth = {}
    for number, path in enumerate(images, 1):
        name = f"ILSVRC2012_val_{number:08}.JPEG"
        shutil.copy(path, folder / "val" / name)
        truth[name] = path.parent.name
    return truth


def write_devkit(folder: Path, truth: dict[str, str]) -> None:
    """Write the development kit's two files, with IDs in another order than the names of the classes."""
    wnids = sorted(set(truth.values()), reverse=True)
    synsets = np.array([(i, w, 0) for i, w in enumerate(wnids, 1)],
                       dtype=[("ILSVRC2012_ID", "f8"), ("WNID", "O"), ("num_children", "f8")])  # fmt: skip
    data = folder / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": synsets.reshape(-1, 1)})
    ids = [wnids.index(truth[name]) + 1 for name in sorted(truth)]
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{i}\n" for i in ids))


def write_solution(folder: Path, truth: dict[str, str]) -> None:
    """Write Kaggle's file, in an order of its own, each class followed by boxes."""
    rows = [f"{Path(name).stem},{wnid} 1 2 3 4 " for name, wnid in reversed(truth.items())]
    (folder / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "\n".join(rows) + "\n")


@pytest.mark.parametrize("write", [write_devkit, write_solution])
@pytest.mark.parametrize("above", [False, True])
def test_a_flat_val_has_the_classes_that_its_files_say(root: Path, tmp_path: Path, write: Any, above: bool) -> None:
    """Catches IDs taken for positions in the names' order: every error would be near chance."""
    folder = tmp_path / "imagenet"
    truth = flat(root, folder)
    write(tmp_path if above else folder, truth)
    listing = list_imagenet(folder)
    found = {os.fsdecode(p): listing.wnids[c] for p, c in zip(listing.test.paths, listing.test.labels, strict=True)}
    assert found == {f"val/{name}": wnid for name, wnid in truth.items()}
    assert listing.fingerprint() != list_imagenet(root).fingerprint()


def test_a_flat_val_of_which_nothing_tells_the_classes_is_refused(root: Path, tmp_path: Path) -> None:
    flat(root, tmp_path / "imagenet")
    with pytest.raises(DataError, match="neither the development kit"):
        list_imagenet(tmp_path / "imagenet")


def test_class_folders_take_turns_so_that_a_limit_keeps_all_classes(root: Path) -> None:
    listing = list_imagenet(root)
    assert listing.wnids == ("n90000000", "n90000001", "n90000002")
    assert listing.train.labels.tolist() == [0, 1, 2] * 6
    assert listing.test.labels.tolist() == [0, 1, 2] * 4
    for path, label in zip(listing.train.paths, listing.train.labels, strict=True):
        assert os.fsdecode(path).split("/")[1] == listing.wnids[label]
    dataset = load_dataset(spec(train_limit=4), root.parent)
    assert dataset.train_targets.tolist() == [0, 1, 2, 0]


def test_the_fingerprint_changes_with_a_file_a_name_and_a_class(root: Path, tmp_path: Path) -> None:
    prints = {list_imagenet(root).fingerprint()}
    for number, change in enumerate(("size", "name", "class")):
        folder = tmp_path / change
        shutil.copytree(root, folder)
        path = next((folder / "train" / "n90000000").iterdir())
        if change == "size":
            path.write_bytes(path.read_bytes() + b"\0")
        elif change == "name":
            path.rename(path.with_name("other.JPEG"))
        else:
            path.rename(folder / "train" / "n90000001" / path.name)
        prints.add(list_imagenet(folder).fingerprint())
        assert len(prints) == number + 2


@pytest.mark.parametrize(("what", "message"), [("train", "train: no such folder"), ("val", "val: no such folder")])
def test_missing_folders_are_named(root: Path, tmp_path: Path, what: str, message: str) -> None:
    shutil.copytree(root, tmp_path / "imagenet")
    shutil.rmtree(tmp_path / "imagenet" / what)
    with pytest.raises(DataError, match=message):
        load_dataset(spec(), tmp_path)


def test_a_class_that_train_has_not_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "imagenet")
    (tmp_path / "imagenet" / "val" / "n00000001").mkdir()
    with pytest.raises(DataError, match="class 'n00000001' is not one of train's 3"):
        load_dataset(spec(), tmp_path)


# --- decoding ---


def written(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind)
    return stream.getvalue()


COLOURS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
FILES = {
    "RGB": (written(COLOURS, "JPEG"), 3), "greyscale": (written(COLOURS.convert("L"), "JPEG"), 1),
    "CMYK": (written(COLOURS.convert("CMYK"), "JPEG"), 4), "PNG": (written(COLOURS, "PNG"), None),
    "PNG with a palette": (written(COLOURS.convert("P"), "PNG"), None),
    "PNG with transparency": (written(COLOURS.convert("RGBA"), "PNG"), None),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_decodes_to_three_channels(kind: str) -> None:
    content, channels = FILES[kind]
    pixels = v2.functional.pil_to_tensor(decode(content))
    assert pixels.shape == (3, 20, 30)
    assert jpeg_channels(content) == channels
    seen = View(spec(), learning=True)(decode(content), 5)
    assert seen.shape == (3, 48, 48)
    assert seen.dtype == torch.uint8
    if kind == "greyscale":
        assert torch.equal(pixels[0], pixels[2])
    if kind == "PNG":
        assert torch.equal(pixels, v2.functional.pil_to_tensor(COLOURS))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"no image", FILES["RGB"][0][:9]])
def test_the_header_of_what_is_no_jpeg_has_no_channels(content: bytes) -> None:
    assert jpeg_channels(content) is None


def test_training_views_are_torchvisions_and_drawn_by_the_image() -> None:
    """Catches a view that depends on what was decoded before it."""
    view = View(spec(), learning=True)
    expected = []
    for drawn in (1, 2, 3):
        torch.manual_seed(drawn)
        transforms = v2.Compose([v2.RandomResizedCrop((48, 48)), v2.RandomHorizontalFlip()])
        expected.append(v2.functional.pil_to_tensor(transforms(COLOURS)))
    torch.manual_seed(9)
    state = torch.get_rng_state()
    assert torch.equal(torch.stack([view(COLOURS, n) for n in (3, 2, 1)]), torch.stack(expected[::-1]))
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_measured_on_is_the_middle(root: Path) -> None:
    data = streamed(root, normalization={"mean": [0.5], "std": [0.25]})
    seen = torch.cat([inputs for inputs, _ in data.test_slices(5)])
    listing = list_imagenet(root)
    middle = v2.Compose([v2.Resize(56), v2.CenterCrop(48), v2.PILToTensor()])
    expected = []
    for path in listing.test.paths:
        with Image.open(root / os.fsdecode(path)) as image:
            expected.append(middle(image.convert("RGB")))
    torch.testing.assert_close(seen, (torch.stack(expected).float() / 255 - 0.5) / 0.25, rtol=1e-5, atol=1e-5)
    targets = torch.cat([labels for _, labels in data.test_slices(5)])
    assert targets.tolist() == listing.test.labels.tolist()


def epoch(data: StreamedData, order: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draws = data.draw_augmentation(torch.Generator().manual_seed(seed))
    parts = [slice(0, 8), slice(8, 16), slice(16, 18)]
    batches = list(data.train_batches(order, parts, draws))
    assert [len(targets) for _, targets in batches] == [8, 8, 2]
    inputs, targets = (torch.cat(values) for values in zip(*batches, strict=True))
    return inputs, targets


def test_an_epoch_does_not_depend_on_how_many_processes_decode(root: Path) -> None:
    order = torch.randperm(18, generator=torch.Generator().manual_seed(1))
    inputs, targets = epoch(streamed(root), order)
    two = streamed(root, processes=2)
    for _ in range(2):  # the second time from the processes that are there
        again, same = epoch(two, order)
        assert torch.equal(inputs, again)
        assert torch.equal(targets, same)
    assert torch.equal(targets, list_labels(root)[order])
    assert not torch.equal(epoch(two, order, seed=1)[0], inputs)


def list_labels(root: Path) -> torch.Tensor:
    return torch.from_numpy(list_imagenet(root).train.labels)


def test_a_view_belongs_to_its_place_in_the_order(root: Path) -> None:
    """Two processes that make one run each take their part of a batch, and come to the images of one process."""
    data = streamed(root)
    order = torch.arange(18)
    draws = data.draw_augmentation(torch.Generator().manual_seed(0))
    whole = torch.cat([x for x, _ in data.train_batches(order, [slice(0, 18)], draws)])
    parts = torch.cat([x for x, _ in data.train_batches(order, [slice(0, 7), slice(7, 18)], draws)])
    assert torch.equal(whole, parts)


def test_an_epoch_left_early_leaves_nothing_to_the_next(root: Path) -> None:
    """A warm-up takes one batch only."""
    data, order = streamed(root, processes=1), torch.arange(18)
    next(data.train_batches(order.flip(0), [slice(0, 8), slice(8, 18)], data.draw_augmentation(torch.Generator())))
    assert torch.equal(epoch(data, order)[0], epoch(streamed(root), order)[0])


@pytest.mark.parametrize("processes", [0, 1])
def test_a_damaged_image_is_named(root: Path, tmp_path: Path, processes: int) -> None:
    folder = tmp_path / "imagenet"
    shutil.copytree(root, folder)
    path = folder / "val" / "n90000001" / "n90000001_0.JPEG"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"^.*n90000001_0\.JPEG: cannot be decoded.*replace it$"):
        list(streamed(folder, processes).test_slices(4))


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


@pytest.mark.parametrize(("device", "decoder"), [
    pytest.param(CPU, by_torchvision, id="stand-in"),
    pytest.param(torch.device("cuda"), None, id="cuda", marks=[
        pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")]),
])  # fmt: skip
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


# --- packs ---


def test_resizing_is_torchvisions_and_small_files_stay() -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 131, 3), dtype=np.uint8))
    for content, size in ((written(image, "JPEG"), v2.Resize(64)(image).size), (FILES["CMYK"][0], (30, 20))):
        small = decode(resized(content, 64))
        assert small.size == size
        assert jpeg_channels(resized(content, 64)) == 3
    assert resized(FILES["RGB"][0], 64) == FILES["RGB"][0]
    assert resized(FILES["PNG"][0], 64) != FILES["PNG"][0]


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_store, "IMAGES_A_PACK", 5)


@pytest.mark.usefixtures("small_packs")
def test_a_store_holds_every_image_with_its_class(root: Path, tmp_path: Path) -> None:
    listing, folder = list_imagenet(root), tmp_path / "imagenet-40"
    assert make_store(listing, folder, 40, processes=1)
    store = open_store(folder)
    assert store.wnids == listing.wnids
    for part, listed in ((store.train, listing.train), (store.test, listing.test)):
        assert part.targets.tolist() == listed.labels.tolist()
        for number, path in enumerate(listed.paths):
            assert part.images.read(number) == resized((root / os.fsdecode(path)).read_bytes(), 40)
    assert not make_store(listing, folder, 40, processes=1)


@pytest.mark.usefixtures("small_packs")
def test_a_run_reads_the_packs_when_it_says_so(root: Path, tmp_path: Path) -> None:
    make_store(list_imagenet(root), tmp_path / "imagenet-40", 40, processes=1)
    dataset = load_dataset(spec(stored_side=40, image_size=32, resize=36, train_limit=7), tmp_path)
    assert isinstance(dataset, StreamedDataset)
    assert len(dataset.train_targets) == 7
    assert dataset.fingerprint != list_imagenet(root).fingerprint()
    for processes in (0, 1):
        (inputs, targets), *_ = StreamedData(dataset, CPU, processes).test_slices(12)
        assert inputs.shape == (12, 3, 32, 32)
        assert targets.tolist() == list_imagenet(root).test.labels.tolist()
    with pytest.raises(DataError, match=r"data set 'imagenet': .*imagenet-48: no such folder"):
        load_dataset(spec(stored_side=48), tmp_path)


PREPARE = """
import sys
from pathlib import Path

def say(done, of):
    print(done, of, flush=True)

if __name__ == "__main__":
    # Not above: the process that packs imports this file again, and would wait for torch.
    from benchsuite.data import image_store
    from benchsuite.data.imagenet_files import list_imagenet

    image_store.IMAGES_A_PACK = 5
    image_store.make_store(list_imagenet(Path(sys.argv[1])), Path(sys.argv[2]), 40, 1, say)
"""


@pytest.mark.usefixtures("small_packs")
def test_a_killed_preparation_goes_on_where_it_was(root: Path, tmp_path: Path) -> None:
    """Catches half a pack that is taken for a whole one, and work that is done twice."""
    script, folder = tmp_path / "prepare.py", tmp_path / "imagenet-40"
    script.write_text(PREPARE)
    arguments = [sys.executable, str(script), str(root), str(folder)]
    begun = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert begun.stdout is not None
    while not begun.stdout.readline().startswith("2 "):
        assert begun.poll() is None
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    with pytest.raises(DataError, match=r"is not finished \(prepared.json is missing\)"):
        open_store(folder)
    (folder / "train-00003.pack.part").write_bytes(b"half a pack")
    (folder / "test-00002.pack").write_bytes(b"a pack without its index")
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    assert 2 <= len(kept) < 7
    time.sleep(0.01)
    assert make_store(list_imagenet(root), folder, 40, processes=1)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    whole = tmp_path / "whole"
    make_store(list_imagenet(root), whole, 40, processes=1)
    assert open_store(folder).fingerprint == open_store(whole).fingerprint
    for name in (path.name for path in whole.glob("*.pack")):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.usefixtures("small_packs")
def test_a_store_of_other_images_or_that_lost_something_is_refused(root: Path, tmp_path: Path) -> None:
    listing, folder = list_imagenet(root), tmp_path / "imagenet-40"
    make_store(listing, folder, 40, processes=1)
    with pytest.raises(DataError, match="was begun of other images, or otherwise"):
        make_store(listing, folder, 41, processes=1)
    pack = folder / "test-00000.pack"
    pack.write_bytes(pack.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"test-00000\.pack has .* bytes, expected"):
        open_store(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(DataError, match="was not made by this command"):
        make_store(listing, tmp_path / "mine", 40, processes=1)


@pytest.mark.usefixtures("small_packs")
@pytest.mark.parametrize("kind", ["pack", "npy"])
def test_a_changed_file_is_named_and_made_anew_alone(root: Path, tmp_path: Path, kind: str) -> None:
    """Of the same length, so that only its checksum tells; the remedy in the message must be one."""
    listing, folder = list_imagenet(root), tmp_path / "imagenet-40"
    make_store(listing, folder, 40, processes=1)
    assert damage(folder) == ""
    path = folder / f"train-00002.{kind}"
    right = path.read_bytes()
    path.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    found = damage(folder)
    assert f"imagenet-40: train-00002.{kind} is not what was made" in found
    assert "delete train-00002.npy and prepared.json there" in found
    kept = {p: p.stat().st_mtime_ns for p in folder.glob("*.npy") if p.stem != "train-00002"}
    (folder / "train-00002.npy").unlink()
    (folder / "prepared.json").unlink()
    make_store(listing, folder, 40, processes=1)
    assert damage(folder) == ""
    assert path.read_bytes() == right
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_an_index_cut_to_nothing_is_one_line(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "imagenet-40"
    make_store(list_imagenet(root), folder, 40, processes=1)
    (folder / "test-00000.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot be read \(EOFError: .*delete it and prepare it again"):
        open_store(folder)


def test_a_sample_is_the_same_wherever_it_is_made_and_has_the_odd_files(tmp_path: Path) -> None:
    folders = [make_sample(SAMPLE, tmp_path / name) for name in ("one", "two")]
    files = [sorted(p.relative_to(folder) for p in folder.rglob("*.JPEG")) for folder in folders]
    assert files[0] == files[1]
    assert len(files[0]) == 30
    assert all((folders[0] / path).read_bytes() == (folders[1] / path).read_bytes() for path in files[0])
    kinds = {jpeg_channels((folders[0] / path).read_bytes()) for path in files[0]}
    assert kinds == {1, 3, 4, None}
    assert not list(tmp_path.rglob("*.part"))
