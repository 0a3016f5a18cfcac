"""``benchsuite audit [RULE…]``: test what rules declare in ``traits``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.options import (
    DataRootOption,
    HardwareOption,
    JsonOption,
    SetOption,
    SpecsOption,
    TierOption,
    WideOption,
    complete_rule,
    complete_track,
    print_json,
    show,
)

if TYPE_CHECKING:
    from benchsuite.records.audit import RuleAudit, TraitAudit


def audit(
    rules: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of rules, or patterns such as 'my_*'; all that are installed if not given.",
            autocompletion=complete_rule,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write one JSON file per rule into this folder, for the leaderboard.")
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="TRACK",
            autocompletion=complete_track,
            help="Also compare updates on this track's initial state with float64; may be repeated.",
        ),
    ] = None,
    tier: TierOption = None,
    overrides: SetOption = None,
    hardware: HardwareOption = "auto",
    data_root: DataRootOption = None,
    specs: SpecsOption = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=1024, help="Rules at the same time.")] = 1,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> int:
    """Test what rules declare of themselves. Exit code 1 if a trait is contradicted or a rule crashes."""
    from benchsuite.api.audits import audit_rules
    from benchsuite.api.options import store_folder
    from benchsuite.api.precision import PrecisionOptions
    from benchsuite.api.tables import audit_table, precision_table

    options = PrecisionOptions(tuple(precision or ()), tier, overrides, hardware, data_root, specs)
    audits = []
    for done in audit_rules(",".join(rules or ()), out=out, precision=options, jobs=jobs):
        audits.append(done)
        if not as_json:
            show([audit_table(done), *([precision_table(done)] if done.precision else []), ""], wide=wide)
    if as_json:
        print_json([done.model_dump(mode="json") for done in audits])
    else:
        _print_summary(audits)
        if out is None:
            show([f"not kept; with `--out {store_folder(None) / 'audits'}` the rule's page on the board shows it"])
    return 1 if any(done.failed for done in audits) else 0


def _print_summary(audits: list[RuleAudit]) -> None:
    for done in audits:
        show(f"{done.rule}: {_in_words(each)}" for each in done.failed)
        untested = [each.trait for each in done.traits if each.verdict == "not_tested"]
        if untested:
            show([f"{done.rule}: not tested: {', '.join(untested)}"])
        show(f"{done.rule} on {found.track}: {found.verdict}" for found in done.precision)
    failed = sum(bool(done.failed) for done in audits)
    audited = f"{len(audits)} {'rule' if len(audits) == 1 else 'rules'} audited"
    show(
        [f"{audited}, {failed} with a contradicted trait or a crash" if failed else f"{audited}, no trait contradicted"]
    )


def _in_words(audited: TraitAudit) -> str:
    strongest = audited.strongest
    if strongest is None:
        return f"the test of {audited.trait} did not end: {audited.reason}"
    return (
        f"declares {audited.trait}={audited.declared}, the test shows {audited.shown}: {audited.measure}: "
        f"{strongest.value:.3g} in {strongest.network} ({strongest.where}); up to {audited.threshold:.3g} it would be "
        f"{not audited.shown if strongest.value > audited.threshold else audited.shown}"
    )
