"""Reader of MNIST in torchvision's folder; each file's checksum is verified before it is used."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from benchsuite.data.fetching import Publication, fetch_missing
from benchsuite.data.mnist import files as mnist_files
from benchsuite.data.mnist.files import IdxFile, raw_folder
from benchsuite.data.tensors import DecodedDataset


def read_mnist(data_root: Path, *, download: bool = True, test: bool = True) -> DecodedDataset:
    """Read MNIST from ``<data root>/MNIST/raw``, fetching what is missing.

    A file whose sha256 is not the published one is refused. torchvision's decoders read the files; its MNIST class is
    not used, because it reads a ``processed/*.pt`` of an old version, unchecked, instead of the raw files.

    Args:
        data_root: the folder that holds ``MNIST``.
        download: True if missing files may be downloaded.
        test: False to leave the test files unread.

    Returns:
        Images of uint8, (examples, 1, 28, 28); ``canonical`` is True.

    Raises:
        DataError: if a file is missing and cannot be fetched, cannot be read, or is not as published.
    """
    publication = mnist_files.publication(raw_folder(data_root), mnist_files.MNIST_FILES)
    fetch_missing(publication, download=download)
    train_images, train_labels = (_read(publication, f) for f in mnist_files.MNIST_FILES[:2])
    if not test:
        return DecodedDataset.without_test(train_images.unsqueeze(1), train_labels.long(), 10, canonical=True)
    test_images, test_labels = (_read(publication, f) for f in mnist_files.MNIST_FILES[2:])
    return DecodedDataset(
        train_inputs=train_images.unsqueeze(1),
        train_targets=train_labels.long(),
        test_inputs=test_images.unsqueeze(1),
        test_targets=test_labels.long(),
        classes=10,
        canonical=True,
    )


def _read(publication: Publication, file: IdxFile) -> Tensor:
    # Imported late: it costs a second that runs on other data do not need.
    from torchvision.datasets.mnist import read_image_file, read_label_file

    publication.read(file.name)
    decoded: Tensor = (read_image_file if len(file.shape) == 3 else read_label_file)(
        str(publication.folder / file.name)
    )
    return decoded
