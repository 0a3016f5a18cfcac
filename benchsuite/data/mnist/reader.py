"""MNIST as published: torchvision's folder, each file checked before a number of it is used."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from torch import Tensor

from benchsuite.data.checks import one_line
from benchsuite.data.fetching import fetch_missing
from benchsuite.data.mnist import files as mnist_files
from benchsuite.data.mnist.files import IdxFile, found_and_expected, raw_folder
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError


def read_mnist(data_root: Path, *, download: bool = True) -> DecodedDataset:
    """Read MNIST from ``<data root>/MNIST/raw``, fetching what is missing.

    A file whose sha256 is not the published one is refused; torchvision's own decoders then read it. Its MNIST class is
    not used, since that takes a ``processed/*.pt`` from an old version unchecked in place of the raw files.

    Args:
        data_root: the folder that holds ``MNIST``.
        download: whether missing files may be downloaded.

    Returns:
        Images of uint8, (examples, 1, 28, 28); ``canonical`` is True.

    Raises:
        DataError: if a file is missing and cannot be fetched, cannot be read, or is not as published.
    """
    folder = raw_folder(data_root)
    fetch_missing(mnist_files.publication(folder, mnist_files.MNIST_FILES), download=download)
    train_images, train_labels, test_images, test_labels = (_read(folder, f) for f in mnist_files.MNIST_FILES)
    return DecodedDataset(
        train_inputs=train_images.unsqueeze(1),
        train_targets=train_labels.long(),
        test_inputs=test_images.unsqueeze(1),
        test_targets=test_labels.long(),
        classes=10,
        canonical=True,
    )


def _read(folder: Path, file: IdxFile) -> Tensor:
    # Imported late: it costs a second that runs on other data do not need.
    from torchvision.datasets.mnist import read_image_file, read_label_file

    path = folder / file.name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({one_line(error)}); make it readable or delete it") from error
    found = sha256(content).hexdigest()
    if found != file.sha256:
        raise DataError(
            f"{path} is not MNIST as published: {len(content):,} bytes of {file.total_bytes:,}, "
            f"{found_and_expected(found, file)}; delete the file to download it again, "
            "or use kind: arrays for your own data"
        )
    decoded: Tensor = (read_image_file if len(file.shape) == 3 else read_label_file)(str(path))
    return decoded
