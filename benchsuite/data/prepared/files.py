"""Descriptions of data sets that are prepared once from a user's archive and then read as arrays.

Imports nothing heavy; ``benchsuite.data.prepared.prepare`` does the work.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PreparedDataset:
    """A data set to prepare, and the archive it is made from.

    Attributes:
        name: name of its spec, and of its folder under the data root.
        title: name in messages; never the name of the data set that its images were taken from.
        archive: usual name of the archive.
        archive_sha256: checksum of the only archive that is accepted.
        shape: shape of an image, (channels, height, width).
        classes: number of classes.
        examples: numbers of training and test examples.
        fingerprint: fingerprint of the decoded data. Another JPEG decoder than the one used here (Pillow 13.0,
            libjpeg-turbo 3.2) may round differently; the data then differ, and their results go into separate tables.
    """

    name: str
    title: str
    archive: str
    archive_sha256: str
    shape: tuple[int, int, int]
    classes: int
    examples: tuple[int, int]
    fingerprint: str

    @property
    def command(self) -> str:
        """The command that prepares it."""
        return f"benchsuite data prepare {self.name} --from {self.archive}"


PREPARED: dict[str, PreparedDataset] = {
    "cifar10-jpeg75": PreparedDataset(
        name="cifar10-jpeg75",
        title="CIFAR-10 images as JPEG (quality 75)",
        archive="cifar10-jpeg75.tar.xz",
        archive_sha256="7c52ef8221dfe04a67ff68b9796223102f4e994c2a9bfc6a97958fab6d8ee123",
        shape=(3, 32, 32),
        classes=10,
        examples=(50_000, 10_000),
        fingerprint="74e723e640b94e120904347c14e63a41abc9908db968cf074f48203989aa9905",
    ),
}
"""Prepared data sets by name, which is also the ``path`` of their specs (``kind: arrays``)."""
