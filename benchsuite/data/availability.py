"""Whether a data set is on this machine, answered without decoding it or importing torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchsuite.data.cifar import files as cifar_files
from benchsuite.data.fetching import Publication
from benchsuite.data.mnist import files as mnist_files
from benchsuite.data.prepared.files import PREPARED
from benchsuite.data.roots import OFFLINE_VARIABLE, is_offline, resolve_in_root
from benchsuite.specs.models.dataset import (
    ArraysDataset,
    CifarDataset,
    DatasetSpec,
    DigitsDataset,
    ImageFolderDataset,
    ImagenetDataset,
    MnistDataset,
    PluginDataset,
    SyntheticDataset,
)


@dataclass(frozen=True)
class Availability:
    """What a look at the files says.

    Attributes:
        found: whether a run would find its data without a download.
        detail: where they are, or what is missing and what would happen.
    """

    found: bool
    detail: str


def availability(spec: DatasetSpec, data_root: Path) -> Availability:
    """Look whether a data set's files are there; their content is not read.

    Args:
        spec: which data set.
        data_root: where its files would lie.
    """
    match spec:
        case DigitsDataset():
            return Availability(True, "comes with scikit-learn")
        case SyntheticDataset():
            return Availability(True, "made from its seed")
        case PluginDataset():
            return Availability(True, f"read by a plugin's reader '{spec.reader}', which is not asked before a run")
        case MnistDataset():
            return _look_for_mnist(mnist_files.raw_folder(data_root))
        case CifarDataset():
            return _look_for_cifar(cifar_files.publication(cifar_files.PUBLISHED[spec.kind], data_root))
        case ArraysDataset():
            return _look_for_arrays(spec, resolve_in_root(spec.path, data_root))
        case ImageFolderDataset():
            return _look_for_folders(resolve_in_root(spec.path, data_root), ("train", "test"))
        case ImagenetDataset():
            return _look_for_imagenet(spec, data_root)


def _look_for_mnist(folder: Path) -> Availability:
    missing = mnist_files.missing_files(folder, mnist_files.MNIST_FILES)
    if missing:
        plan = f"{OFFLINE_VARIABLE} forbids the download" if is_offline() else "downloaded when first used"
        return Availability(False, f"{len(missing)} of 4 files missing in {folder}; {plan}")
    for file in mnist_files.MNIST_FILES:
        size = (folder / file.name).stat().st_size
        if size != file.total_bytes:
            found = f"{size:,} bytes, expected {file.total_bytes:,}"
            detail = f"{folder / file.name} has {found}; delete it to download it again"
            return Availability(False, detail)
    return Availability(True, str(folder))


def _look_for_cifar(publication: Publication) -> Availability:
    missing = publication.missing()
    (package,) = publication.packages
    if not missing:
        return Availability(True, str(publication.folder))
    if package.beside.is_file():
        return Availability(True, f"{package.beside}, unpacked when first used")
    plan = f"{OFFLINE_VARIABLE} forbids the download" if is_offline() else "downloaded when first used"
    return Availability(False, f"{len(missing)} of {len(package.files)} files missing in {publication.folder}; {plan}")


def _look_for_arrays(spec: ArraysDataset, path: Path) -> Availability:
    if not path.exists():
        prepared = PREPARED.get(spec.path)
        remedy = f"; `{prepared.command}` makes it" if prepared else ""
        return Availability(False, f"{path}: no such file or folder{remedy}")
    if path.is_dir():
        names = [f"{name}.npy" for name in ("x_train", "y_train", "x_test", "y_test")]
        missing = [name for name in names if not (path / name).is_file()]
        if missing:
            return Availability(False, f"{path}: {', '.join(missing)} missing")
    return Availability(True, str(path))


def _look_for_imagenet(spec: ImagenetDataset, data_root: Path) -> Availability:
    if spec.sample:
        from benchsuite.data.imagenet.sample import sample_folder

        folder = sample_folder(spec.sample, data_root)
        return Availability(True, str(folder) if folder.is_dir() else "generated when first used")
    root = resolve_in_root(spec.path, data_root)
    if spec.stored_side is None:
        found = _look_for_folders(root, ("train", "val"))
        return found if found.found else Availability(False, f"{found.detail}; ILSVRC-2012 is yours to put there")
    folder = root.with_name(f"{root.name}-{spec.stored_side}")
    if (folder / "prepared.json").is_file():
        return Availability(True, str(folder))
    return Availability(False, f"{folder}: not there, or not finished; `benchsuite data prepare imagenet` makes it")


def _look_for_folders(root: Path, names: tuple[str, ...]) -> Availability:
    missing = [split for split in names if not (root / split).is_dir()]
    if missing:
        return Availability(False, f"{root}: no folder {' or '.join(missing)}")
    return Availability(True, str(root))
