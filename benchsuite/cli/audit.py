"""``benchsuite audit [RULE…]``: what rules claim of themselves, held against experiments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.options import JsonOption, complete_rule, output, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from benchsuite.records.audit import ClaimAudit, RuleAudit

COLOURS = {"confirmed": "green", "could_be_stronger": "yellow", "contradicted": "red", "crashed": "red"}


def audit(
    rules: Annotated[
        list[str] | None,
        typer.Argument(help="Names of rules; all that are installed if not given.", autocompletion=complete_rule),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write one JSON file a rule into this folder, for the leaderboard.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Test by experiment what rules claim of themselves. Exit code 1 if a claim is contradicted or a rule crashes."""
    from benchsuite.conformance.audit.rule_audit import audit_rule
    from benchsuite.execution.environment import environment_of
    from benchsuite.files import write_text_atomically
    from benchsuite.records.reading import record_text
    from benchsuite.registry.manager import installed_registry

    registry = installed_registry()
    chosen = {name: registry.rule(name) for name in rules or sorted(registry.rules)}  # all are there before any is run
    audits = []
    for name, rule in chosen.items():
        audits.append(audit_rule(rule, environment_of(registry, name)))
        if out:
            write_text_atomically(out / f"{name}.json", record_text(audits[-1]))
        if not as_json:
            output().print(_table(audits[-1]))
    if as_json:
        print_json([done.model_dump(mode="json") for done in audits])
    else:
        _print_summary(audits)
    return 1 if any(done.failed for done in audits) else 0


def _table(done: RuleAudit) -> Table:
    from rich.markup import escape
    from rich.table import Table

    shown = Table(
        title=f"{escape(done.rule)} · {escape(done.environment.rule_distribution)}",
        title_justify="left",
        title_style="bold",
        header_style="dim",
    )
    for column in ("trait", "claimed", "shown", "verdict", "largest value", "where"):
        shown.add_column(column, justify="right" if column == "largest value" else "left")
    for claim in done.claims:
        words = claim.verdict.replace("_", " ")
        colour = COLOURS.get(claim.verdict, "dim")
        shown.add_row(
            claim.claim, _yes_or_no(claim.claimed), _yes_or_no(claim.shown), f"[{colour}]{words}[/]", *_evidence(claim)
        )
    return shown


def _evidence(claim: ClaimAudit) -> tuple[str, str]:
    from rich.markup import escape

    strongest = claim.strongest
    if strongest is None:
        return "", escape(claim.reason)
    return f"{strongest.value:.3g}", escape(f"{strongest.network}: {strongest.where}")


def _print_summary(audits: list[RuleAudit]) -> None:
    console = output()
    for done in audits:
        for claim in done.failed:
            console.print(f"{done.rule}: {_in_words(claim)}", markup=False, soft_wrap=True)
        untested = [claim.claim for claim in done.claims if claim.verdict == "not_tested"]
        if untested:
            console.print(f"{done.rule}: not tested: {', '.join(untested)}", markup=False, soft_wrap=True)
    if not any(done.failed for done in audits):
        console.print(f"{len(audits)} {'rule' if len(audits) == 1 else 'rules'} audited, no claim contradicted")


def _in_words(claim: ClaimAudit) -> str:
    strongest = claim.strongest
    if strongest is None:
        return f"the experiment on {claim.claim} did not end: {claim.reason}"
    return (
        f"claims {claim.claim}={claim.claimed}, the experiment shows {claim.shown}: {claim.measure}: "
        f"{strongest.value:.3g} in {strongest.network} ({strongest.where}); up to {claim.threshold:.3g} it would be "
        f"{not claim.shown if strongest.value > claim.threshold else claim.shown}"
    )


def _yes_or_no(value: bool | None) -> str:
    return "–" if value is None else "yes" if value else "no"
