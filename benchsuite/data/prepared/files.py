"""Data sets that are made once on this machine from an archive somebody has, and read as arrays from then on.

Imports nothing heavy; ``benchsuite.data.prepared.prepare`` does the work.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PreparedDataset:
    """What is made, and of what.

    Attributes:
        name: of its spec, and of its folder under the data root.
        title: what messages call it; never the name of the data set that its images were taken from.
        archive: what the file is usually called.
        archive_sha256: of the one file that is accepted.
        shape: of an image, (channels, height, width).
        classes: how many there are.
        examples: of training and of test.
        fingerprint: of the decoded data. A JPEG decoder may round otherwise than the one this was found with (Pillow
            13.0, libjpeg-turbo 3.2); the data then are others, and results on them stand in tables of their own.
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
        """What to type to have it."""
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
"""By name, which is also the ``path`` of their specs (``kind: arrays``)."""
