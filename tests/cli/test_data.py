"""Oracle: what the help of `benchsuite data` promises, on data sets that every machine has and an archive made here."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchsuite.data.prepared.files import PREPARED

from .conftest import assert_refused

Command = Callable[..., Any]
NAME = "cifar10-jpeg75"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an archive of ten classes with one image each and part, which is taken for the expected one."""
    path = tmp_path / "theirs.tar.xz"
    with tarfile.open(path, "w:xz") as packed:
        for number, name in enumerate(
            f"{split}/{letter}/0.jpg" for split in ("train", "test") for letter in "abcdefghij"
        ):
            buffer = io.BytesIO()
            Image.fromarray(np.full((32, 32, 3), 10 * number, np.uint8)).save(buffer, "JPEG")
            entry = tarfile.TarInfo(name)
            entry.size = buffer.tell()
            packed.addfile(entry, io.BytesIO(buffer.getvalue()))
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(PREPARED, NAME, replace(PREPARED[NAME], archive_sha256=expected, examples=(10, 10)))
    return path


def test_list_tells_what_is_here_and_how_to_have_the_rest(command: Command, archive: Path) -> None:
    found = command("data", "list", "--data-root", "root", "--json").json["datasets"]
    assert found["digits"]["found"] is True
    assert {name for name in found if not found[name]["found"]} >= {"cifar10", "cifar100", NAME, "mnist"}
    assert "benchsuite data prepare" in found[NAME]["detail"]
    command("data", "prepare", NAME, "--from", str(archive), "--data-root", "root")
    again = command("data", "list", "--data-root", "root", "--json").json["datasets"]
    read_from_it = {name for name in found if name.startswith(NAME)}
    assert {NAME, f"{NAME}-45k"} <= read_from_it
    assert {name for name in again if again[name]["found"] and not found[name]["found"]} == read_from_it
    assert NAME in command("data", "list", "--data-root", "root").out


def test_prepare_makes_it_once_says_what_it_is_and_verify_agrees(
    command: Command, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("data", "prepare", NAME, "--from", str(archive), "--data-root", "root")
    first = command(*arguments, "--json")
    assert first.code == 0, first.err
    assert first.json["made"] is True
    assert "JPEG" in first.json["title"]
    assert "decodes the images to other values than usual" in first.err
    usual = replace(PREPARED[NAME], fingerprint=first.json["fingerprint"])
    monkeypatch.setitem(PREPARED, NAME, usual)
    again = command(*arguments)
    assert again.code == 0
    assert again.err == ""
    assert "there already" in again.out
    assert first.json["fingerprint"] in again.out
    verified = command("data", "verify", NAME, "--data-root", "root", "--json")
    assert verified.code == 0
    assert verified.json["right"] is True
    assert verified.json["fingerprint"] == first.json["fingerprint"]
    assert command("data", "verify", f"{NAME}-45k", "--data-root", "root").code == 0


def test_verify_tells_a_changed_file_from_another_decoder(command: Command, archive: Path, tmp_path: Path) -> None:
    command("data", "prepare", NAME, "--from", str(archive), "--data-root", "root")
    other = command("data", "verify", NAME, "--data-root", "root", "--json")
    assert other.code == 1
    assert "decodes the images to other values than usual" in other.json["problem"]
    path = tmp_path / "root" / NAME / "x_test.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x77")
    changed = command("data", "verify", NAME, "--data-root", "root")
    assert changed.code == 1
    assert "has been changed since it was made" in changed.out


def test_verify_of_what_is_missing_says_so_and_exits_1(command: Command) -> None:
    done = command("data", "verify", "cifar100", "--data-root", "root")
    assert done.code == 1
    assert "cifar-100-python.tar.gz" in done.out
    assert "Traceback" not in done.err


def test_verify_reads_the_whole_whatever_the_specs_limit(command: Command, tmp_path: Path) -> None:
    (tmp_path / "own" / "datasets").mkdir(parents=True)
    (tmp_path / "own" / "datasets" / "few.yaml").write_text("extends: digits\ntrain_limit: 3\n")
    few = command("data", "verify", "few", "--specs", str(tmp_path / "own"), "--json")
    assert few.code == 0
    assert few.json["train_examples"] == 1437
    assert few.json["fingerprint"] == command("data", "verify", "digits", "--json").json["fingerprint"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("prepare", "cifar10-jpg75", "--from", "x"), "did you mean 'cifar10-jpeg75'"),
        (("prepare", NAME, "--from", "nowhere", "--data-root", "root"), "no such file"),
        (("verify", "digitz"), "did you mean 'digits'"),
    ],
)
def test_a_wrong_request_is_one_message_and_exit_code_2(
    command: Command, arguments: tuple[str, ...], says: str
) -> None:
    assert_refused(command("data", *arguments), says)
