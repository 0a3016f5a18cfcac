"""Resized images packed into a few large files with an index: made once, resumable, with random access.

A folder has ``plan.json`` (source and settings); per pack, ``train-00012.pack`` (JPEG files one after the other) and
``train-00012.npy`` (start, end and class of each image); and, when finished, ``prepared.json``. The index of a pack is
written last and atomically: a pack without it is not complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import features

from benchsuite.data.imagenet.files import ImagenetListing, ListedImages
from benchsuite.data.images.packing import QUALITY, make_pack
from benchsuite.data.images.sources import PackedImages
from benchsuite.data.images.streamed import StreamedPart
from benchsuite.data.plain_files import named_and_counted
from benchsuite.data.roots import ANOTHER_ROOT
from benchsuite.data.wording import one_line
from benchsuite.errors import DataError, StoreError
from benchsuite.files import TEMPORARY_FILES, write_text_atomically

PLAN, MANIFEST = "plan.json", "prepared.json"
PARTS = ("train", "test")
IMAGES_A_PACK = 2048


@dataclass(frozen=True)
class ImageStore:
    """A finished store of packed images.

    Attributes:
        folder: the store's folder.
        wnids: names of the classes in the order of their numbers.
        train: training images.
        test: test images.
        fingerprint: sha256 over the sha256 of every pack and its classes.
    """

    folder: Path
    wnids: tuple[str, ...]
    train: StreamedPart
    test: StreamedPart
    fingerprint: str


def open_store(folder: Path) -> ImageStore:
    """Open a store that ``data prepare`` made; the content of packs is not read.

    Raises:
        DataError: if it does not exist, is not finished or lacks a file.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        wnids, packs, identity = tuple(manifest["wnids"]), manifest["packs"], manifest["fingerprint"]
        parts = {part: _open_part(folder, part, packs) for part in PARTS}
    except FileNotFoundError as error:
        begun = "is not finished" if (folder / PLAN).is_file() else "no such folder"
        raise DataError(
            f"{folder}: {begun} ({Path(str(error.filename)).name} is missing); "
            f"`benchsuite data prepare imagenet` makes it and continues where it stopped, or {ANOTHER_ROOT}"
        ) from None
    except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{folder}: cannot be read ({one_line(error)}); delete it and prepare it again") from error
    return ImageStore(folder, wnids, parts["train"], parts["test"], identity)


def damage(folder: Path) -> str:
    """Verify the checksums of a store's files; return a message that names changed files and the remedy.

    A JPEG file with a flipped bit often still decodes, but to other pixels.

    Returns:
        One line; empty if all files are unchanged.

    Raises:
        DataError: if a file cannot be read.
    """
    try:
        packs = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["packs"]
        files = [
            f"{name}.{kind}"
            for name, made in sorted(packs.items())
            for kind, known in (("pack", made["sha256"]), ("npy", made.get("index_sha256")))
            # Older stores have no checksums of indices.
            if known is not None and _sha256(folder / f"{name}.{kind}") != known
        ]
    except (OSError, LookupError) as error:
        raise DataError(f"{folder}: cannot be read ({one_line(error)})") from error
    if not files:
        return ""
    indices = sorted({f"{Path(name).stem}.npy" for name in files})
    return (
        f"{folder}: {', '.join(files)} {'is' if len(files) == 1 else 'are'} not what was made (another sha256); "
        f"delete {', '.join(indices)} and {MANIFEST} there and prepare it again: only these files are made again"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _open_part(folder: Path, part: str, packs: dict[str, dict[str, Any]]) -> StreamedPart:
    names = sorted(name for name in packs if name.startswith(part))
    indices = []
    for name in names:
        index = np.load(folder / f"{name}.npy")
        size = (folder / f"{name}.pack").stat().st_size
        if size != packs[name]["bytes"]:
            raise ValueError(f"{name}.pack has {size:,} bytes, expected {packs[name]['bytes']:,}")
        indices.append(index)
    number = np.repeat(np.arange(len(names), dtype=np.int32), [len(index) for index in indices])
    rows = np.concatenate(indices)
    images = PackedImages([folder / f"{name}.pack" for name in names], number, rows[:, 0], rows[:, 1])
    return StreamedPart(images, torch.from_numpy(np.ascontiguousarray(rows[:, 2])))


def make_store(
    listing: ImagenetListing,
    folder: Path,
    side: int,
    processes: int,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> bool:
    """Resize images to a shorter side of at most ``side`` pixels and pack them; finished packs are kept.

    JPEG files that are small enough and have one or three channels are copied unchanged. Others are resized as in
    torchvision and written as JPEG of quality 95.

    Args:
        listing: the images.
        folder: the store's folder; created if missing.
        side: in pixels.
        processes: number of worker processes.
        on_progress: called in this process with (packs done, total packs).

    Returns:
        False if the store was already complete.

    Raises:
        DataError: if an image cannot be decoded, the folder cannot be written, or it was started from other images.
    """
    if (folder / MANIFEST).is_file():
        open_store(folder)
        _check_plan(listing, folder, side)
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_plan(listing, folder, side)
        _make_packs(listing, folder, side, processes, on_progress)
        write_text_atomically(folder / MANIFEST, json.dumps(_manifest(listing, folder), indent=1))
        for left_over in folder.glob(TEMPORARY_FILES):  # of a preparation that was killed
            left_over.unlink(missing_ok=True)
    except (OSError, StoreError) as error:
        raise DataError(f"{folder}: cannot be made ({one_line(error)}); check free space and permissions") from error
    return True


def _check_plan(listing: ImagenetListing, folder: Path, side: int) -> None:
    plan = {"source": listing.fingerprint(), "side": side, "quality": QUALITY, "images_a_pack": IMAGES_A_PACK}
    path = folder / PLAN
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != plan:
            raise DataError(f"{folder}: was begun with other images or settings; delete it, or choose another --side")
    elif any(folder.iterdir()):
        raise DataError(f"{folder}: exists, but was not made by this command; move it away")
    else:
        write_text_atomically(path, json.dumps(plan))


def _make_packs(
    listing: ImagenetListing, folder: Path, side: int, processes: int, on_progress: Callable[[int, int], None]
) -> None:
    packs = list(_packs(listing))
    waiting = [pack for pack in packs if not (folder / f"{pack[0]}.npy").is_file()]
    on_progress(len(packs) - len(waiting), len(packs))
    # Spawn: a fork of a process with torch's threads may deadlock.
    with ProcessPoolExecutor(max_workers=processes, mp_context=get_context("spawn")) as pool:
        working = [pool.submit(make_pack, listing.root, images, folder / name, side) for name, images in waiting]
        faults: list[str] = []
        try:
            for count, done in enumerate(as_completed(working), start=len(packs) - len(waiting) + 1):
                faults += done.result()
                on_progress(count, len(packs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if faults:
        raise DataError(named_and_counted(sorted(faults), "replace or remove what is named, and prepare again"))


def _packs(listing: ImagenetListing) -> Iterator[tuple[str, ListedImages]]:
    for part, images in zip(PARTS, (listing.train, listing.test), strict=True):
        for number, start in enumerate(range(0, len(images), IMAGES_A_PACK)):
            chosen = slice(start, start + IMAGES_A_PACK)
            some = ListedImages(images.paths[chosen], images.labels[chosen], images.sizes[chosen])
            yield f"{part}-{number:05}", some


def _manifest(listing: ImagenetListing, folder: Path) -> dict[str, Any]:
    packs = {}
    digest = hashlib.sha256("\n".join(listing.wnids).encode())
    for name, _ in _packs(listing):
        pack, index = folder / f"{name}.pack", folder / f"{name}.npy"
        content = _sha256(pack)
        packs[name] = {"bytes": pack.stat().st_size, "sha256": content, "index_sha256": _sha256(index)}
        digest.update(f"{name} {content}".encode() + np.load(index)[:, 2].astype("<i8").tobytes())
    turbo = features.version_feature("libjpeg_turbo")
    return {
        "wnids": list(listing.wnids),
        "packs": packs,
        "fingerprint": digest.hexdigest(),
        "decoder": f"Pillow {features.version_module('pil')}, libjpeg-turbo {turbo}",
    }
