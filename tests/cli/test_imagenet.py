"""Oracle: what `benchsuite data` and `benchsuite run` promise of ImageNet, on generated images in its folders."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import signal
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchsuite.data.imagenet.sample import make_sample
from benchsuite.data.images.image_bytes import decode
from benchsuite.data.mnist import files as mnist_files
from benchsuite.data.mnist.files import MNIST_FILES, IdxFile
from benchsuite.records.store import RecordStore
from benchsuite.specs.models.dataset import GeneratedImages

from ..warm import Process
from .conftest import assert_refused

Command = Callable[..., Any]
SMOKE = ("run", "imagenet-resnet18", "--tier", "smoke", "--hardware", "cpu", "--data-root", "root")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a data root with 30 images in ImageNet's folders, of which ``small`` (files) and ``packed`` are made."""
    made = make_sample(GeneratedImages(classes=3, train_images=6, test_images=4), tmp_path / "root")
    made.rename(tmp_path / "root" / "imagenet")
    specs = tmp_path / "own" / "datasets"
    specs.mkdir(parents=True)
    small = "extends: imagenet\nimage_size: 32\nresize: 36\n"
    (specs / "small.yaml").write_text(small)
    (specs / "packed.yaml").write_text(f"{small}stored_side: 64\n")
    (specs / "generated.yaml").write_text(f"{small}sample: {{classes: 2, train_images: 3, test_images: 1}}\n")
    return tmp_path / "root"


HERE = ("--data-root", "root", "--specs", "own")
PREPARE = ("data", "prepare", "imagenet", "--side", "64", "--processes", "1", "--data-root", "root")


@pytest.mark.usefixtures("root")
def test_prepare_makes_packs_once_and_verify_finds_them_right(command: Command) -> None:
    missing = command("data", "verify", "packed", *HERE)
    assert missing.code == 1
    assert "`benchsuite data prepare imagenet` makes it" in missing.out
    first = command(*PREPARE, "--json")
    assert first.code == 0, first.err
    told = first.json
    assert (told["made"], told["train_images"], told["test_images"], told["classes"]) == (True, 18, 12, 3)
    again = command(*PREPARE)
    assert again.code == 0
    assert "there already" in again.out
    assert told["fingerprint"] in again.out
    packed = command("data", "verify", "packed", *HERE, "--json")
    assert packed.code == 0, packed.out
    assert (packed.json["right"], packed.json["fingerprint"]) == (True, told["fingerprint"])
    assert (packed.json["train_examples"], packed.json["input_shape"]) == (18, [3, 32, 32])


def test_verify_names_the_pack_of_which_a_byte_changed(command: Command, root: Path) -> None:
    """Catches checksums that are written and never compared: this byte is one of pixels, which still decode."""
    assert command(*PREPARE).code == 0
    path = root / "imagenet-64" / "test-00000.pack"
    content = bytearray(path.read_bytes())
    end = content.index(b"\xff\xd9") + 2  # of the first image
    first = bytes(content[:end])
    at = next(at for at in range(end - 40, 0, -1) if still_decodes(first, at))
    content[at] ^= 1
    path.write_bytes(content)
    damaged = command("data", "verify", "packed", *HERE)
    assert damaged.code == 1
    assert "imagenet-64: test-00000.pack is not what was made" in damaged.out
    assert "train-00000" not in damaged.out


def still_decodes(image: bytes, at: int) -> bool:
    """Say whether an image with the last bit of a byte flipped decodes, to other pixels."""
    changed = image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :]
    try:
        return decode(changed).tobytes() != decode(image).tobytes()
    except OSError:
        return False


def test_verify_names_an_image_that_cannot_be_decoded_whatever_shall_decode_it(command: Command, root: Path) -> None:
    """Also where a device shall, which this machine need not have."""
    for decoder in ("processes", "device"):
        spec = root.parent / "own" / "datasets" / "small.yaml"
        spec.write_text(f"extends: imagenet\nimage_size: 32\nresize: 36\ndecoder: {decoder}\n")
        right = command("data", "verify", "small", *HERE)
        assert right.code == 0, right.out
    path = root / "imagenet" / "val" / "n90000001" / "n90000001_2.JPEG"
    path.write_bytes(path.read_bytes()[:-300])
    damaged = command("data", "verify", "small", *HERE, "--json")
    assert damaged.code == 1
    assert damaged.json["problem"].startswith(f"1 file cannot be decoded as an image: {path} (")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("prepare", "imagenet", "--data-root", "nowhere"), "train: no such folder"),
        (("prepare", "imagenet", "--from", "own", "--data-root", "root"), "own/train: no such folder"),
        (("fetch", "imagenet", "--data-root", "nowhere"), "train: no such folder; put ILSVRC-2012's"),
        (("fetch", "mnist", "--data-root", "root"), "BENCHSUITE_OFFLINE forbids the download; put train-images"),
        (
            (
                "fetch",
                "mnits",
            ),
            "did you mean 'mnist'",
        ),
    ],
)
@pytest.mark.usefixtures("root")
def test_what_cannot_be_had_is_one_line_that_says_what_to_put_where(
    command: Command, arguments: tuple[str, ...], says: str
) -> None:
    done = command("data", *arguments)
    assert_refused(done, says)
    assert done.out == ""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing of it."""

    def log_message(self, *_: object) -> None:
        """Keep standard error for the command's own."""


def test_fetch_without_a_network_says_what_failed_and_with_one_fetches_once(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, files = tmp_path / "mirror", []
    mirror.mkdir()
    for file in MNIST_FILES:
        shape = (20, *file.shape[1:])
        content = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape) + bytes(
            place % 10 for place in range(math.prod(shape))
        )
        packed = gzip.compress(content)
        checksum = hashlib.md5(packed, usedforsecurity=False).hexdigest()
        files.append(IdxFile(file.name, shape, hashlib.sha256(content).hexdigest(), checksum))
        (mirror / f"{file.name}.gz").write_bytes(packed)
    monkeypatch.setattr(mnist_files, "MNIST_FILES", tuple(files))
    monkeypatch.delenv("BENCHSUITE_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetch = ("data", "fetch", "mnist", "--data-root", "root")
    monkeypatch.setattr(mnist_files, "list_mirrors", lambda: ["http://127.0.0.1:9/"])  # nobody listens there
    failed = command(*fetch)
    assert_refused(failed, "the download failed (127.0.0.1: ")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(mirror))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(mnist_files, "list_mirrors", lambda: [f"http://127.0.0.1:{server.server_port}/"])
        done = command(*fetch, "--json")
        server.shutdown()
    assert done.code == 0, done.err
    assert (done.json["found"], done.json["fetched"]) == (True, True)
    monkeypatch.setattr(mnist_files, "list_mirrors", lambda: pytest.fail("asked for the network"))
    again = command(*fetch)
    assert again.code == 0
    assert again.out.startswith("mnist: there already; ")


@pytest.mark.usefixtures("root")
def test_fetch_generates_what_is_generated_and_says_so_once(command: Command) -> None:
    for state in ("fetched", "there already"):
        done = command("data", "fetch", "generated", *HERE)
        assert done.code == 0, done.err
        assert done.out.startswith(f"generated: {state}; ")
        assert "imagenet-sample-2-3-1-0" in done.out


# --- runs ---


def test_the_smoke_tier_of_imagenet_runs_from_files_to_records(command: Command, tmp_path: Path) -> None:
    """Catches a test set measured in the wrong order, a lost top-5 error, and images whose numbers are not finite."""
    done = command(*SMOKE, "--rules", "backprop,direct_feedback_alignment", "--seed", "0", "--json")
    assert done.code == 0, done.err
    records = list(RecordStore(tmp_path / "benchsuite-store").read_all())
    assert {record.spec.rule.name for record in records} == {"backprop", "direct_feedback_alignment"}
    for record in records:
        assert record.status == "completed", record.reason
        assert record.data is not None
        assert (record.data.train_examples, record.data.test_examples) == (96, 32)
        (epoch,) = record.epochs
        assert epoch.test is not None
        assert epoch.test.examples == 32
        assert epoch.running_loss is not None
        assert math.isfinite(epoch.running_loss)
        assert math.isfinite(epoch.test.loss)
        assert epoch.test.top5_error is not None
        assert 0 <= epoch.test.top5_error <= epoch.test.error <= 1
    assert list((tmp_path / "root").glob("imagenet-sample-*")), "made where it was asked to be"


TINY = """
title: Files
description: Images from files, decoded by processes of their own.
source: ours
dataset:
  {extends: imagenet, name: files, image_size: 16, resize: 20, sample: {classes: 2, train_images: 4, test_images: 2}}
architecture: {name: tiny, kind: chain, layers: [{kind: max_pool, size: 4}, {kind: dense, units: 4}]}
protocol: {epochs: 100000, batch_size: 4, optimizer: {kind: sgd, learning_rate: 0.01}}
tiers: {smoke: {}, quick: {}, paper: {}}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_processes_that_decode_too_is_an_interruption(
    start: Callable[..., Process], tmp_path: Path, number: signal.Signals
) -> None:
    """A terminal or torchrun sends it to all; catches their end being taken for a crash, and any that stays behind."""
    (tmp_path / "files.yaml").write_text(TINY)
    process = start(
        "run", "files.yaml", *SMOKE[2:], "--rules", "backprop", "--seeds", "1", "--set", "hardware.loader_processes=2"
    )
    store = RecordStore(tmp_path / "benchsuite-store")
    end = time.monotonic() + 300
    while not any(store.checkpoints_folder.glob("*.pt")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "continue with: benchsuite run files.yaml" in err
    assert "Traceback" not in err
    (record,) = store.read_all()
    assert record.status == "interrupted"
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
