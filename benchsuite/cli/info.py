"""``benchsuite info NAME``: describe one rule, track, suite, data set and so on, with published and measured values."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsuite.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    RecordsOption,
    SpecsOption,
    StoreOption,
    WideOption,
    complete_anything,
    print_json,
    show,
)


def info(
    name: Annotated[str, typer.Argument(help="A name that `benchsuite list` shows.", autocompletion=complete_anything)],
    store: StoreOption = DEFAULT_STORE,
    records: RecordsOption = None,
    specs: SpecsOption = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> int:
    """Show everything about one rule, track, suite, study, data set, architecture, hardware or diagnostic."""
    from benchsuite.api.describing import describe, info

    if as_json:
        print_json(info(name, specs=specs))
    else:
        show(describe(name, specs=specs, records=records, store=store).parts(), wide=wide)
    return 0
