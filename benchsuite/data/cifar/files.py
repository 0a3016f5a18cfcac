"""The files of CIFAR-10 and CIFAR-100: published checksums and download addresses. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchsuite.data.fetching import Package, Publication

DOWNLOAD_TIMEOUT_S = 1200.0
"""Time limit for downloading an archive of 170 MB."""


@dataclass(frozen=True)
class CifarFiles:
    """One of the two data sets as published: the archive, the files in it that are read, and their checksums.

    The checksums are md5, as in torchvision. That is enough to recognize a published file, since nobody can make
    another file with a given md5.

    Attributes:
        title: its name in messages.
        classes: the number of classes.
        folder: of the files, in the archive and under the data root; the same as torchvision's.
        archive: its file name; it lies beside that folder.
        archive_md5: its checksum.
        train: names and checksums, in the order in which the examples are numbered.
        test: the same for the test set.
        labels: the key of the labels in a file.
        examples: the numbers of training and test examples.
    """

    title: str
    classes: int
    folder: str
    archive: str
    archive_md5: str
    train: tuple[tuple[str, str], ...]
    test: tuple[tuple[str, str], ...]
    labels: str
    examples: tuple[int, int] = (50_000, 10_000)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all files that are read."""
        return tuple(name for name, _ in (*self.train, *self.test))


PUBLISHED: dict[Literal["cifar10", "cifar100"], CifarFiles] = {
    "cifar10": CifarFiles(
        title="CIFAR-10",
        classes=10,
        folder="cifar-10-batches-py",
        archive="cifar-10-python.tar.gz",
        archive_md5="c58f30108f718f92721af3b95e74349a",
        train=(
            ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
            ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
            ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
            ("data_batch_4", "634d18415352ddfa80567beed471001a"),
            ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
        ),
        test=(("test_batch", "40351d587109b95175f43aff81a1287e"),),
        labels="labels",
    ),
    "cifar100": CifarFiles(
        title="CIFAR-100",
        classes=100,
        folder="cifar-100-python",
        archive="cifar-100-python.tar.gz",
        archive_md5="eb9058c3a382ffc7106e4002c42a8d85",
        train=(("train", "16019d7e3df5f24257cddd939b257f8d"),),
        test=(("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),),
        labels="fine_labels",
    ),
}
"""The two data sets, by the kind of their specs."""


def publication(files: CifarFiles, data_root: Path) -> Publication:
    """Return the download into the data root: one archive for all files, which may lie there already."""
    archive = Package(files.archive, f"md5:{files.archive_md5}", files.names, beside=data_root / files.archive)
    return Publication(
        title=files.title,
        folder=data_root / files.folder,
        checksums={name: f"md5:{checksum}" for name, checksum in (*files.train, *files.test)},
        packages=[archive],
        mirrors=lambda: list_mirrors(files),
        instead=f", or {files.archive} into {data_root}",
        timeout_s=DOWNLOAD_TIMEOUT_S,
    )


def list_mirrors(files: CifarFiles) -> list[str]:
    """Return torchvision's address of the archive's folder."""
    from torchvision import datasets  # seconds to import, so only where something is to be downloaded

    published = {cls.filename: cls.url for cls in (datasets.CIFAR10, datasets.CIFAR100)}
    return [published[files.archive].removesuffix(files.archive)]
