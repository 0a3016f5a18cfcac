"""``benchsuite claims``: judge the claims of papers by records."""

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
    print_json,
    print_message,
    report_broken,
    show,
)
from benchsuite.process import garbage_kept

PublishedOption = Annotated[
    bool, typer.Option("--published", help="Only the published values beside ours: errors, angles, other diagnostics.")
]


def claims(
    store: StoreOption = DEFAULT_STORE,
    records: RecordsOption = None,
    specs: SpecsOption = None,
    published: PublishedOption = False,
    match: Annotated[
        str | None, typer.Option("--match", "-m", help="Only claims with this text in name or title, or like gevb-*.")
    ] = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> int:
    """Judge each claim of the papers by records: reproduced, contradicted, inconclusive, or not enough records.

    Decided claims come first; an undecided one says what is missing and the command that makes it.
    Then come published values beside ours, with their difference, and last the counts.

    A claim that cannot be read is left out and named; the exit code is then 1.
    """
    with garbage_kept():
        from benchsuite.api.claims import claims
        from benchsuite.api.records import read_records

        found = read_records(records, store=store)
        report_broken(found.broken)
        verdicts = claims(found, specs=specs)
        if match:
            verdicts = verdicts.matching(match)
    if as_json:
        print_json(verdicts.published_as_data() if published else verdicts.as_data())
        for message in verdicts.left_out:
            print_message(message)
    else:
        show([*verdicts.published_parts(), *verdicts.left_out] if published else verdicts.parts(), wide=wide)
    return 1 if verdicts.left_out else 0
