"""Oracle: the bytes that were written. A file that differs in one of them is no checkpoint."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchsuite.errors import DamagedFileError, StoreError
from benchsuite.training.checkpoint import load_checkpoint, save_checkpoint

KEY = "ab" * 32
CONTENT: dict[str, Any] = {"result_key": KEY, "trainer": {"weight": torch.arange(40.0)}, "epochs": ["{}"]}
DAMAGES = 300


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a small checkpoint."""
    path = tmp_path_factory.mktemp("checkpoint") / "a.pt"
    save_checkpoint(path, CONTENT)
    return path.read_bytes()


def flipped(whole: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(whole))
    return whole[:place] + bytes([whole[place] ^ (1 << draw.randrange(8))]) + whole[place + 1 :]


def garbled(whole: bytes, draw: random.Random) -> bytes:
    length = draw.choice([1, 16, 512])
    place = draw.randrange(len(whole) - length)
    return whole[:place] + draw.randbytes(length) + whole[place + length :]


def zeroed(whole: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(whole) - 512)
    return whole[:place] + bytes(512) + whole[place + 512 :]


def cut_short(whole: bytes, draw: random.Random) -> bytes:
    return whole[: draw.randrange(len(whole))]


def longer(whole: bytes, draw: random.Random) -> bytes:
    return whole + draw.randbytes(draw.choice([1, 100]))


def no_checkpoint(_whole: bytes, draw: random.Random) -> bytes:
    return draw.choice([b"a text\n" * 400, b"", draw.randbytes(3000)])


def damages(whole: bytes) -> Iterator[bytes]:
    draw = random.Random(15)  # noqa: S311 - a sample, no secret
    kinds: list[Callable[[bytes, random.Random], bytes]] = [flipped, garbled, zeroed, cut_short, longer, no_checkpoint]
    for number in range(DAMAGES):
        damaged = kinds[number % len(kinds)](whole, draw)
        if damaged != whole:
            yield damaged


def test_no_damage_is_accepted(written: bytes, tmp_path: Path) -> None:
    """Catches a flipped bit or a lost block that is trained on in silence, and ends as another number."""
    path = tmp_path / "a.pt"
    accepted = tried = 0
    for damaged in damages(written):
        path.write_bytes(damaged)
        tried += 1
        try:
            load_checkpoint(path, KEY)
        except DamagedFileError:
            continue
        accepted += 1
    assert tried > DAMAGES * 0.9
    assert accepted == 0


def test_what_was_written_is_read_and_belongs_to_one_key(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    assert load_checkpoint(path, KEY) is None
    path.write_bytes(written)
    found = load_checkpoint(path, KEY)
    assert found is not None
    assert torch.equal(found["trainer"]["weight"], CONTENT["trainer"]["weight"])
    assert load_checkpoint(path, "cd" * 32) is None


def test_a_full_disk_is_told_in_its_own_words_and_the_old_checkpoint_stays(
    written: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches torch's words for it, which name no disk, and a temporary file that fills the disk for good."""
    path = tmp_path / "a.pt"
    path.write_bytes(written)

    class Full:
        def __init__(self, stream: object) -> None: ...
        def flush(self) -> None: ...
        def write(self, _data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("benchsuite.training.checkpoint._HashedStream", Full)
    with pytest.raises(StoreError, match="No space left on device"):
        save_checkpoint(path, CONTENT)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [written]
