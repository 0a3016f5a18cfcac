"""Data sets made of what the user has: an archive decoded to arrays, or ImageNet's folders packed."""

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
    """Arrays made of an archive.

    Attributes:
        dataset: what was made, and of what.
        done: where it is, and whether this call made it.

    """

    dataset: PreparedDataset
    done: Preparation

    @property
    def warning(self) -> str:
        """A sentence where the decoder gave other values than usual; else empty."""
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
    """Packs made of ImageNet's folders.

    Attributes:
        side: pixels of the shorter side.
        packs: where they are, what is in them, and whether this call made them.

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
    """Make a data set of what you have, under the data root. Made once; continues what was stopped.

    Args:
        name: ``"imagenet"``, or a data set that is made of an archive.
        source: the archive, or ImageNet's folder; ``imagenet`` under the data root if not given.
        side: of ImageNet, pixels of the shorter side.
        processes: of ImageNet, how many work at once; one per core if not given.
        data_root: folder of data sets; ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        on_pack: of ImageNet, told after each pack how many are done, and how many there will be.

    Returns:
        Where it is, its fingerprint, and whether this call made it.

    Raises:
        SpecError: if no such data set is prepared, or the archive is not named.
        DataError: if the source is not what it should be, or the data root cannot be written.

    """
    root = find_data_root(data_root)
    path = None if source is None else Path(source)
    if name == IMAGENET:
        return PreparedImagenet(side, prepare_imagenet(path, root, side, processes, on_pack))
    if name not in PREPARED:
        known = [*sorted(PREPARED), IMAGENET]
        message = f"no data set '{name}' is prepared{nearest(name, known)}; there are {', '.join(known)}"
        raise SpecError([Problem(message)])
    dataset = PREPARED[name]
    if path is None:
        raise SpecError([Problem(f"name the archive, {dataset.archive}, with --from")])
    return PreparedArrays(dataset, prepare(dataset, path, root))
