"""Oracle: the files that packs were made of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from benchsuite.data.imagenet.files import list_imagenet
from benchsuite.data.images import store as image_store
from benchsuite.data.images.image_bytes import decode, jpeg_channels
from benchsuite.data.images.packing import resized
from benchsuite.data.images.store import damage, make_store, open_store
from benchsuite.data.images.streamed import StreamedData, StreamedDataset
from benchsuite.data.load import load_dataset
from benchsuite.errors import DataError

from .imagenet_cases import CPU, FILES, spec, written


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
import os
import signal
import sys
import time
from pathlib import Path

if __name__ != "__main__":
    # In the process that packs: five packs more take a second and not 70 ms, in which the kill may not come.
    replace = Path.replace
    Path.replace = lambda self, target: (time.sleep(0.1), replace(self, target))[1]

def say(done, of):
    if done == 2:
        # All of it, the process that packs too, and from here: who waits to be told may come too late.
        os.killpg(0, signal.SIGKILL)

if __name__ == "__main__":
    # Not above: the process that packs imports this file again, and would wait for torch.
    from benchsuite.data.images import store as image_store
    from benchsuite.data.imagenet.files import list_imagenet

    image_store.IMAGES_A_PACK = 5
    image_store.make_store(list_imagenet(Path(sys.argv[1])), Path(sys.argv[2]), 40, 1, say)
"""


@pytest.mark.usefixtures("small_packs")
def test_a_killed_preparation_goes_on_where_it_was(root: Path, tmp_path: Path) -> None:
    """Catches half a pack that is taken for a whole one, and work that is done twice."""
    script, folder = tmp_path / "prepare.py", tmp_path / "imagenet-40"
    script.write_text(PREPARE)
    arguments = [sys.executable, str(script), str(root), str(folder)]
    assert subprocess.run(arguments, start_new_session=True, timeout=300).returncode == -signal.SIGKILL
    with pytest.raises(DataError, match=r"is not finished \(prepared.json is missing\)"):
        open_store(folder)
    (folder / ".train-00003.pack.0123.tmp").write_bytes(b"half a pack")
    (folder / "test-00002.pack").write_bytes(b"a pack without its index")
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    assert 2 <= len(kept) < 7
    time.sleep(0.01)
    assert make_store(list_imagenet(root), folder, 40, processes=1)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not list(folder.glob(".*")), "what the killed one was writing is left"
    whole = tmp_path / "whole"
    make_store(list_imagenet(root), whole, 40, processes=1)
    assert open_store(folder).fingerprint == open_store(whole).fingerprint
    for name in (path.name for path in whole.glob("*.pack")):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.usefixtures("small_packs")
def test_a_store_of_other_images_or_that_lost_something_is_refused(root: Path, tmp_path: Path) -> None:
    listing, folder = list_imagenet(root), tmp_path / "imagenet-40"
    make_store(listing, folder, 40, processes=1)
    with pytest.raises(DataError, match="was begun with other images or settings"):
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
