"""``benchsuite audit [RULE…]``: test by experiment what rules claim in ``traits``."""

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
    complete_rule,
    print_json,
    show,
)

if TYPE_CHECKING:
    from benchsuite.records.audit import ClaimAudit, RuleAudit


def audit(
    rules: Annotated[
        list[str] | None,
        typer.Argument(help="Names of rules; all that are installed if not given.", autocompletion=complete_rule),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write one JSON file a rule into this folder, for the leaderboard.")
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="TRACK",
            help="Also compare updates on this track's initial state with float64; may be repeated.",
        ),
    ] = None,
    tier: TierOption = None,
    overrides: SetOption = None,
    hardware: HardwareOption = "auto",
    data_root: DataRootOption = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Test by experiment what rules claim of themselves. Exit code 1 if a claim is contradicted or a rule crashes."""
    from benchsuite.api.audits import audit_rules
    from benchsuite.api.precision import PrecisionOptions
    from benchsuite.api.tables import audit_table, precision_table

    options = PrecisionOptions(tuple(precision or ()), tier, overrides, hardware, data_root, specs)
    audits = []
    for done in audit_rules(rules, out=out, precision=options):
        audits.append(done)
        if not as_json:
            show([audit_table(done), *([precision_table(done)] if done.precision else [])])
    if as_json:
        print_json([done.model_dump(mode="json") for done in audits])
    else:
        _print_summary(audits)
    return 1 if any(done.failed for done in audits) else 0


def _print_summary(audits: list[RuleAudit]) -> None:
    for done in audits:
        show(f"{done.rule}: {_in_words(claim)}" for claim in done.failed)
        untested = [claim.claim for claim in done.claims if claim.verdict == "not_tested"]
        if untested:
            show([f"{done.rule}: not tested: {', '.join(untested)}"])
        show(f"{done.rule} on {found.track}: {found.verdict}" for found in done.precision)
    if not any(done.failed for done in audits):
        show([f"{len(audits)} {'rule' if len(audits) == 1 else 'rules'} audited, no claim contradicted"])


def _in_words(claim: ClaimAudit) -> str:
    strongest = claim.strongest
    if strongest is None:
        return f"the experiment on {claim.claim} did not end: {claim.reason}"
    return (
        f"claims {claim.claim}={claim.claimed}, the experiment shows {claim.shown}: {claim.measure}: "
        f"{strongest.value:.3g} in {strongest.network} ({strongest.where}); up to {claim.threshold:.3g} it would be "
        f"{not claim.shown if strongest.value > claim.threshold else claim.shown}"
    )
