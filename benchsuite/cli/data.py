"""``benchsuite data list|fetch|prepare|verify``: which data sets are here, getting, making and checking one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchsuite.cli.exits import exits
from benchsuite.cli.options import (
    DataRootOption,
    JsonOption,
    SpecsOption,
    data_root,
    library,
    messages,
    output,
    print_json,
)

if TYPE_CHECKING:
    from benchsuite.data.images.streamed import StreamedDataset
    from benchsuite.data.prepared.files import PreparedDataset
    from benchsuite.specs.loading.library import SpecLibrary
    from benchsuite.specs.models.dataset import DatasetSpec

app = typer.Typer(help="List, fetch, prepare or verify data sets.", no_args_is_help=True)


@app.command("list")
@exits
def list_(data: DataRootOption = None, specs: SpecsOption = None, as_json: JsonOption = False) -> int:
    """Show every data set, whether it is here, and how to have it. Their content is not read."""
    from rich.markup import escape
    from rich.table import Table

    root = data_root(data)
    states = dataset_states(_library(specs), root)
    if as_json:
        print_json({"data_root": str(root), "datasets": states})
        return 0
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, state in states.items():
        table.add_row(escape(name), "found" if state["found"] else "missing", escape(state["detail"]))
    console = output()
    console.print(f"data sets in {root}", markup=False, soft_wrap=True)
    console.print(table)
    return 0


@app.command("fetch")
@exits
def fetch(
    name: Annotated[str, typer.Argument(help="A data set, as `benchsuite data list` shows it.", show_default=False)],
    data: DataRootOption = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Put a data set's files under the data root, as the first run on it would: unpacked, downloaded or generated."""
    from benchsuite.data.availability import availability
    from benchsuite.data.load import load_dataset
    from benchsuite.registry.manager import installed_registry

    root = data_root(data)
    spec = _spec_named(name, specs)
    datasets = installed_registry().datasets
    before = availability(spec, root, datasets)
    load_dataset(spec, root, datasets)
    there = availability(spec, root, datasets)
    # What a run would unpack or generate counts as found before, with another detail.
    fetched = there != before
    if as_json:
        print_json({"name": name, "found": there.found, "fetched": fetched, "detail": there.detail})
    else:
        state = "fetched" if fetched else "there already"
        output().print(f"{name}: {state}; {there.detail}", markup=False, soft_wrap=True)
    return 0


@app.command("prepare")
@exits
def prepare(
    name: Annotated[str, typer.Argument(help="Which: imagenet, or one made of an archive.", show_default=False)],
    source: Annotated[
        Path | None, typer.Option("--from", help="The archive, or ImageNet's folder.", show_default=False)
    ] = None,
    side: Annotated[int, typer.Option("--side", min=32, max=2048, help="ImageNet: pixels of the shorter side.")] = 256,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="ImageNet: how many work at once; one a core.")
    ] = None,
    data: DataRootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Make a data set of what you have, under the data root.

    Of an archive: decoded to arrays. Of ImageNet's folders: images resized once and packed, which is faster to read.
    Made once; running it again changes nothing, and continues what was stopped.
    """
    from benchsuite.data.prepared.files import PREPARED
    from benchsuite.errors import Problem, SpecError, nearest

    known = [*sorted(PREPARED), "imagenet"]
    if name not in known:
        message = f"no data set '{name}' is prepared{nearest(name, known)}; there are {', '.join(known)}"
        raise SpecError([Problem(message)])
    if name == "imagenet":
        return _prepare_imagenet(data_root(data), source, side, processes, as_json)
    which = PREPARED[name]
    if source is None:
        raise SpecError([Problem(f"name the archive, {which.archive}, with --from")])
    return _prepare_archive(which, source, data_root(data), as_json)


def _prepare_archive(which: PreparedDataset, archive: Path, root: Path, as_json: bool) -> int:
    from benchsuite.data.prepared.prepare import prepare as make

    done = make(which, archive, root)
    usual = done.fingerprint == which.fingerprint
    if as_json:
        print_json(
            {
                "name": which.name,
                "title": which.title,
                "folder": str(done.folder),
                "made": done.made,
                "fingerprint": done.fingerprint,
                "usual_fingerprint": which.fingerprint,
                "decoder": done.decoder,
            }
        )
    else:
        console = output()
        state = "made" if done.made else "there already"
        for line in (f"{which.title}: {state}", f"folder       {done.folder}", f"fingerprint  {done.fingerprint}"):
            console.print(line, markup=False, soft_wrap=True)
    if not usual:
        messages().print(_another_decoder(which.fingerprint, done.decoder), markup=False, soft_wrap=True)
    return 0


def _prepare_imagenet(root: Path, source: Path | None, side: int, processes: int | None, as_json: bool) -> int:
    import os

    from rich.progress import Progress

    from benchsuite.data.imagenet.files import list_imagenet
    from benchsuite.data.imagenet.reader import store_folder
    from benchsuite.data.images.store import make_store, open_store

    folder = store_folder("imagenet", side, root)
    listing = list_imagenet(source or root / "imagenet")
    with Progress(console=messages(), transient=True) as progress:
        task = progress.add_task("packs", total=None)
        made = make_store(
            listing,
            folder,
            side,
            processes or os.cpu_count() or 1,
            lambda done, of: progress.update(task, completed=done, total=of),
        )
    store = open_store(folder)
    images = [len(store.train.targets), len(store.test.targets)]
    if as_json:
        print_json(
            {
                "name": "imagenet",
                "folder": str(folder),
                "made": made,
                "fingerprint": store.fingerprint,
                "train_images": images[0],
                "test_images": images[1],
                "classes": len(store.wnids),
            }
        )
    else:
        lines = (
            f"ImageNet, shorter side {side}: {'made' if made else 'there already'}",
            f"folder       {folder}",
            f"images       {images[0]:,} training and {images[1]:,} test images of {len(store.wnids)} classes",
            f"fingerprint  {store.fingerprint}",
        )
        for line in lines:
            output().print(line, markup=False, soft_wrap=True)
    return 0


@app.command("verify")
@exits
def verify(
    name: Annotated[str, typer.Argument(help="A data set, as `benchsuite data list` shows it.", show_default=False)],
    data: DataRootOption = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Read a whole data set, check it and print its fingerprint. Exit code 1 if it is missing, damaged or another.

    Of ImageNet every image is decoded once, by all cores; before that, what was prepared of it is held against the
    checksums of when it was made.
    """
    from benchsuite.data.fingerprint import fingerprint
    from benchsuite.data.load import load_dataset
    from benchsuite.data.tensors import DecodedDataset
    from benchsuite.errors import DataError
    from benchsuite.registry.manager import installed_registry

    registry = installed_registry()
    spec = _spec_named(name, specs)
    whole = spec.model_copy(update={"train_limit": None, "test_limit": None})
    report: dict[str, Any] = {"name": name, "right": False, "problem": "", "fingerprint": None, "canonical": None}
    try:
        dataset = load_dataset(whole, data_root(data), registry.datasets, download=False)
    except DataError as error:
        report["problem"] = str(error)
    else:
        report |= {
            "fingerprint": fingerprint(dataset),
            "canonical": dataset.canonical,
            "classes": dataset.classes,
            "train_examples": len(dataset.train_targets),
            "test_examples": len(dataset.test_targets),
            "input_shape": list(dataset.input_shape),
        }
        report["problem"] = (
            _what_is_wrong(whole, report["fingerprint"], data_root(data))
            if isinstance(dataset, DecodedDataset)
            else _damage(dataset, data_root(data))
        )
        report["right"] = not report["problem"]
    if as_json:
        print_json(report)
    else:
        _show(report)
    return 0 if report["right"] else 1


def _what_is_wrong(spec: DatasetSpec, found: str, root: Path) -> str:
    """Return how a prepared data set differs from what its archive gives; empty for all others."""
    from benchsuite.data.prepared.files import PREPARED
    from benchsuite.data.prepared.prepare import read_manifest
    from benchsuite.specs.models.dataset import ArraysDataset

    which = PREPARED.get(spec.path) if isinstance(spec, ArraysDataset) else None
    if which is None or found == which.fingerprint:
        return ""
    made = read_manifest(which, root)
    if made is None or found != made.fingerprint:
        return f"{root / which.name} has been changed since it was made; delete the folder and run `{which.command}`"
    return _another_decoder(which.fingerprint, made.decoder)


def _damage(dataset: StreamedDataset, root: Path) -> str:
    """Return which prepared files have changed, or the first complaint about an image; empty if all is right."""
    from dataclasses import replace

    import torch

    from benchsuite.data.imagenet.reader import store_folder
    from benchsuite.data.images.store import damage
    from benchsuite.data.images.streamed import StreamedData
    from benchsuite.errors import DataError

    spec = dataset.spec
    # Whether the files are right is for this machine to say, whatever will decode them.
    here = replace(dataset, spec=spec.model_copy(update={"decoder": "processes"}))
    try:
        if spec.stored_side is not None and (changed := damage(store_folder(spec.path, spec.stored_side, root))):
            return changed
        data = StreamedData(here, torch.device("cpu"))
        for slices in (data.train_slices(256), data.test_slices(256)):
            for _ in slices:
                pass
    except DataError as error:
        return str(error)
    return ""


def _another_decoder(usual: str, decoder: str) -> str:
    return (
        f"{decoder} decodes the images to other values than usual (fingerprint {usual[:12]}…): "
        "results on them stand in tables of their own"
    )


def _show(report: dict[str, Any]) -> None:
    console = output()
    if report["fingerprint"]:
        published = {True: "as published", False: "not as published", None: "no checksums are published"}
        sizes = f"{report['train_examples']:,} training and {report['test_examples']:,} test examples"
        shape = "x".join(map(str, report["input_shape"]))
        lines = (
            f"{report['name']}: {sizes} of {shape}, {report['classes']} classes",
            f"fingerprint  {report['fingerprint']}",
            f"files        {published[report['canonical']]}",
        )
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)
    console.print(report["problem"] or "right", markup=False, soft_wrap=True)


def dataset_states(found: SpecLibrary, root: Path) -> dict[str, dict[str, Any]]:
    """Return for every data-set spec whether its files are on this machine, and where or what to do."""
    from benchsuite.data.availability import availability
    from benchsuite.registry.manager import installed_registry

    datasets = installed_registry().datasets
    states: dict[str, dict[str, Any]] = {}
    for entry in found.entries("datasets"):
        spec, problems = _read_spec(found, entry.name)
        if spec is None:
            states[entry.name] = {"found": False, "detail": str(problems[0])}
            continue
        there = availability(spec, root, datasets)
        states[entry.name] = {"found": there.found, "detail": there.detail}
    return states


def _spec_named(name: str, specs: list[Path] | None) -> DatasetSpec:
    from benchsuite.errors import SpecError

    spec, problems = _read_spec(_library(specs), name)
    if spec is None:
        raise SpecError(problems, subject=f"data set '{name}'")
    return spec


def _read_spec(found: SpecLibrary, name: str) -> tuple[DatasetSpec | None, list[Any]]:
    from benchsuite.errors import SpecError
    from benchsuite.specs.loading.checking import check
    from benchsuite.specs.loading.kinds import adapter_of
    from benchsuite.specs.models.dataset import DatasetSpec

    try:
        return check(adapter_of("datasets"), found.load("datasets", name), shape=DatasetSpec)
    except SpecError as error:
        return None, error.problems


def _library(specs: list[Path] | None) -> SpecLibrary:
    from benchsuite.registry.manager import installed_registry

    return library(specs, plugin_folders=[folder for folder, _ in installed_registry().spec_folders])
