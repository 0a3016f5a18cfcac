"""Prepare data sets from the user's files: decode an archive to arrays, or pack ImageNet's folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.api.display import Displayed, Part
from benchsuite.api.options import PathLike
from benchsuite.data.imagenet.prepare import PackedImages, prepare_imagenet
from benchsuite.data.prepared.files import PREPARED, PreparedDataset
from benchsuite.data.prepared.prepare import Preparation, prepare
from benchsuite.data.roots import find_data_root
from benchsuite.data.verification import another_decoder
from benchsuite.errors import Problem, SpecError, nearest

IMAGENET = "imagenet"


@dataclass(frozen=True)
class PreparedArrays(Displayed):
    """Arrays decoded from an archive.

    Attributes:
        dataset: the data set and its source.
        done: its place, and whether this call made it.

    """

    dataset: PreparedDataset
    done: Preparation

    @property
    def warning(self) -> str:
        """Warning if the decoder gave other values than usual; else empty."""
        usual = self.dataset.fingerprint
        return "" if self.done.fingerprint == usual else another_decoder(usual, self.done.decoder)

    def parts(self) -> Sequence[Part]:
        """Return the lines that the command prints."""
        state = "made" if self.done.made else "there already"
        return [
            f"{self.dataset.title}: {state}",
            f"folder       {self.done.folder}",
            f"fingerprint  {self.done.fingerprint}",
        ]

    def as_data(self) -> dict[str, Any]:
        """Return all as plain data, as ``benchsuite data prepare --json`` prints it."""
        return {
            "name": self.dataset.name,
            "title": self.dataset.title,
            "folder": str(self.done.folder),
            "made": self.done.made,
            "fingerprint": self.done.fingerprint,
            "usual_fingerprint": self.dataset.fingerprint,
            "decoder": self.done.decoder,
        }


@dataclass(frozen=True)
class PreparedImagenet(Displayed):
    """Packs made from ImageNet's folders.

    Attributes:
        side: pixels of the shorter side.
        packs: their place and content, and whether this call made them.

    """

    side: int
    packs: PackedImages
    warning: str = ""

    def parts(self) -> Sequence[Part]:
        """Return the lines that the command prints."""
        packs = self.packs
        images = f"{packs.train_images:,} training and {packs.test_images:,} test images of {packs.classes} classes"
        return [
            f"ImageNet, shorter side {self.side}: {'made' if packs.made else 'there already'}",
            f"folder       {packs.folder}",
            f"images       {images}",
            f"fingerprint  {packs.fingerprint}",
        ]

    def as_data(self) -> dict[str, Any]:
        """Return all as plain data, as ``benchsuite data prepare --json`` prints it."""
        return {
            "name": IMAGENET,
            "folder": str(self.packs.folder),
            "made": self.packs.made,
            "fingerprint": self.packs.fingerprint,
            "train_images": self.packs.train_images,
            "test_images": self.packs.test_images,
            "classes": self.packs.classes,
        }


def prepare_dataset(
    name: str,
    source: PathLike | None = None,
    *,
    side: int = 256,
    processes: int | None = None,
    data_root: PathLike | None = None,
    on_pack: Callable[[int, int], None] = lambda done, total: None,
) -> PreparedArrays | PreparedImagenet:
    """Make a data set from your files, under the data root. It is made once; a stopped call is continued.

    Args:
        name: ``"imagenet"``, or a data set that is made from an archive.
        source: the archive, or ImageNet's folder; ``imagenet`` under the data root if not given.
        side: for ImageNet, pixels of the shorter side.
        processes: for ImageNet, number of processes; one per core if not given.
        data_root: folder of data sets; ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        on_pack: for ImageNet, called after each pack with the number done and the total.

    Returns:
        The place and fingerprint of the data set, and whether this call made it.

    Raises:
        SpecError: if the data set is unknown or needs no preparation, or no archive is given.
        DataError: if the source is not as expected, or the data root cannot be written.

    """
    root = find_data_root(data_root)
    path = None if source is None else Path(source)
    if name == IMAGENET:
        return PreparedImagenet(side, prepare_imagenet(path, root, side, processes, on_pack))
    if name not in PREPARED:
        known = [*sorted(PREPARED), IMAGENET]
        message = f"no data set '{name}' can be prepared{nearest(name, known)}; there are {', '.join(known)}"
        raise SpecError([Problem(message)])
    dataset = PREPARED[name]
    if path is None:
        raise SpecError([Problem(f"give the path of the archive ({dataset.archive}) with --from")])
    return PreparedArrays(dataset, prepare(dataset, path, root))
