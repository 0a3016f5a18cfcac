"""``benchsuite data list|fetch|prepare|verify``: list data sets; fetch, prepare or verify one."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from benchsuite.cli.exits import exits
from benchsuite.cli.options import (
    DataRootOption,
    JsonOption,
    SpecsOption,
    WideOption,
    complete_dataset,
    messages,
    print_json,
    print_message,
    show,
)
from benchsuite.cli.verbs import Verb, Verbs, examples

if TYPE_CHECKING:
    from rich.progress import Progress

app = typer.Typer(cls=Verbs, help="List, fetch, prepare or verify data sets.", no_args_is_help=True)


@app.command("list", cls=Verb, epilog=examples("benchsuite data list", "benchsuite data list --data-root /data"))
@exits
def list_(
    data: DataRootOption = None, specs: SpecsOption = None, wide: WideOption = False, as_json: JsonOption = False
) -> int:
    """Show every data set, whether it is here, and how to get it. Their content is not read."""
    from benchsuite.api.datasets import dataset_states

    states = dataset_states(data_root=data, specs=specs)
    if as_json:
        print_json(states.as_data())
    else:
        show(states.parts(), wide=wide)
    return 0


@app.command(
    "fetch", cls=Verb, epilog=examples("benchsuite data fetch mnist", "benchsuite data fetch cifar10 --data-root /data")
)
@exits
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a data set; `benchsuite data list` shows all.",
            show_default=False,
            autocompletion=complete_dataset,
        ),
    ],
    data: DataRootOption = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Put a data set's files under the data root, as the first run on it would: unpacked, downloaded or generated."""
    from benchsuite.api.datasets import fetch_dataset

    done = fetch_dataset(name, data_root=data, specs=specs)
    if as_json:
        print_json({"name": name, "found": done.found, "fetched": done.fetched, "detail": done.detail})
    else:
        show([f"{name}: {'fetched' if done.fetched else 'there already'}; {done.detail}"])
    return 0


@app.command(
    "prepare",
    cls=Verb,
    epilog=examples(
        "benchsuite data prepare imagenet --from /data/imagenet",
        "benchsuite data prepare cifar10-jpeg75 --from cifar10-jpeg75.tar.xz",
    ),
)
@exits
def prepare(
    name: Annotated[
        str,
        typer.Argument(
            help="Data set to prepare: imagenet, or one made from an archive.",
            show_default=False,
            autocompletion=complete_dataset,
        ),
    ],
    source: Annotated[
        Path | None, typer.Option("--from", help="Path of the archive, or of ImageNet's folder.", show_default=False)
    ] = None,
    side: Annotated[
        int, typer.Option("--side", min=32, max=2048, help="ImageNet: length of the shorter side in pixels.")
    ] = 256,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, help="ImageNet: number of worker processes; one per core if not given."),
    ] = None,
    data: DataRootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Make a data set from files you have, under the data root.

    From an archive: decoded to arrays. From ImageNet's folders: images resized once and packed, which is faster to
    read. Running it again changes nothing, or continues a preparation that was stopped.
    """
    from benchsuite.api.preparations import prepare_dataset

    with PackBar() as bar:
        made = prepare_dataset(name, source, side=side, processes=processes, data_root=data, on_pack=bar.move)
    if as_json:
        print_json(made.as_data())
    else:
        show(made.parts())
    if made.warning:
        print_message(made.warning)
    return 0


@app.command(
    "verify", cls=Verb, epilog=examples("benchsuite data verify digits", "benchsuite data verify mnist --json")
)
@exits
def verify(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a data set; `benchsuite data list` shows all.",
            show_default=False,
            autocompletion=complete_dataset,
        ),
    ],
    data: DataRootOption = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Read a whole data set, check it and print its fingerprint. Exit code 1 if it is missing, damaged or another.

    For ImageNet, every image is decoded once, on all cores; before that, prepared packs are checked against the
    checksums from when they were made.
    """
    from benchsuite.api.datasets import verify_dataset

    report = verify_dataset(name, data_root=data, specs=specs)
    if as_json:
        print_json(report.as_data())
    else:
        show(report.parts())
    return 0 if report.is_right else 1


class PackBar:
    """A progress bar on stderr, drawn from the first pack on; a data set made from an archive has no packs."""

    def __init__(self) -> None:
        self.progress: Progress | None = None

    def __enter__(self) -> Self:
        """Wait for the first pack."""
        return self

    def move(self, done: int, total: int) -> None:
        """Show the number of packs done."""
        from rich.progress import Progress

        if self.progress is None:
            self.progress = Progress(console=messages(), transient=True)
            self.progress.add_task("packs", total=None)
            self.progress.start()
        self.progress.update(self.progress.task_ids[0], completed=done, total=total)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the bar."""
        if self.progress is not None:
            self.progress.stop()
