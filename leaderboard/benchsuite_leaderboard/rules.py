"""Content of a rule's page: needs and declared traits, audit findings, and all results."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from benchsuite.papers.verdict_model import ClaimVerdict
from benchsuite.records.audit import RuleAudit, TraitAudit
from benchsuite.results.board_plan import BoardPlan, RuleWords
from benchsuite.results.model import BASELINE_RULE, RuleRow, TrackTable
from benchsuite.results.tuning_summary import TunedRule, TuningTable
from benchsuite.specs.models.base import Tier
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.paths import paths_of
from benchsuite_leaderboard.remarks import RowRemarks

TRAIT_WORDS = {
    "weight_transport": ("Weight transport", "credit depends on forward weights downstream"),
    "separate_phase": ("Separate phase", "needs a phase beside one forward pass and its credit"),
    "unit_specific_feedback": (
        "Unit-specific feedback",
        "what is fed back tells units of a layer apart; else it is a global signal",
    ),
    "trains_hidden": ("Trains hidden layers", "layers before the readout learn"),
    "hidden_update_is_backprop": ("Exact in hidden layers", "their update is backprop's"),
    "readout_update_is_backprop": ("Exact at the readout", "its update is backprop's"),
    "changes_forward_weights": ("Changes forward weights", "itself, beside the optimizer"),
}
"""Name on the page and meaning of each trait."""

AUDIT_VERDICTS = {
    "confirmed": "confirmed",
    "contradicted": "contradicted",
    "could_be_stronger": "could be stronger",
    "not_tested": "not tested",
    "not_applicable": "means nothing for this rule",
    "crashed": "the check crashed",
}

MECHANISMS = {
    "replaced_feedback": "replaced feedback path: backpropagation through weights other than the forward ones",
    "direct_local_credit": "direct local credit: handed to each layer, without passing through those between",
    "own_gradients": "gradients of its own: from local losses, energies or several passes",
}


@dataclass(frozen=True)
class RuleClaim:
    """One claim about a rule."""

    name: str
    title: str
    words: str
    """The verdict."""
    tier: Tier | None
    """The tier that decided; None if no tier has enough records."""


@dataclass(frozen=True)
class RulePage:
    """One rule, as passed to the templates."""

    name: str
    audit: RuleAudit | None
    results: tuple[tuple[TrackTable, RuleRow], ...]
    """Results sorted by track and tier, then in the table's order. A table is without its rows: the page shows none but
    the rule's, and is kept while these are the same."""
    has_validity: bool
    """True if a check was measured in one of these tables."""
    is_other_source: bool
    """True if runs were made with other source code than the audited code."""
    words: RuleWords | None = None
    """The rule's own words; None if it is not installed here."""
    claims: tuple[RuleClaim, ...] = ()
    """Claims that compare it."""
    tunings: tuple[tuple[TuningTable, TunedRule], ...] = ()
    remarks: RowRemarks = field(default_factory=dict)
    """Texts of remarks on its rows, by table and row."""

    @property
    def paths(self) -> str:
        """Return the name of the drawing of its paths; empty if nothing is known of them."""
        traits: dict[str, object] = dict(self.words.traits) if self.words else {}
        if not traits and self.audit and self.audit.needs:
            traits = {name: found.declared for name, found in self.traits.items()}
            traits["mechanism"] = self.audit.needs.mechanism
        return paths_of(self.name, traits)

    @property
    def summary(self) -> str:
        """Return one sentence on the rule."""
        return self.words.summary if self.words else self.audit.summary if self.audit else ""

    @property
    def source(self) -> str:
        """Return the publication of the rule."""
        if self.words:
            return self.words.source
        return self.audit.needs.source if self.audit and self.audit.needs else ""

    @property
    def address(self) -> str:
        """Return the page's path within the site."""
        return f"rules/{self.name}.html"

    @property
    def traits(self) -> dict[str, TraitAudit]:
        """Return the audit's findings by trait, in the order of ``TRAIT_WORDS``, others after."""
        found = {checked.trait: checked for checked in (self.audit.traits if self.audit else ())}
        return {name: found[name] for name in sorted(found, key=_trait_order)}

    def declared(self, trait: str) -> bool | None:
        """Return what the rule declares of itself, audited or not; None if nobody here knows."""
        if trait in self.traits:
            return self.traits[trait].declared
        stated = self.words.traits.get(trait) if self.words else None
        return stated if isinstance(stated, bool) else None

    @property
    def runs(self) -> int:
        """Return the number of seeds that were run."""
        return sum(row.total for _, row in self.results)

    @property
    def completed(self) -> int:
        """Return the number of seeds that count."""
        return sum(row.completed for _, row in self.results)

    @property
    def tracks(self) -> int:
        """Return the number of tracks with a result."""
        return len({table.track for table, row in self.results if row.test_error})


def rule_pages(content: SiteContent) -> list[RulePage]:
    """Return a page for every rule that was run or audited or is installed, the baseline first, then by name."""
    by_rule = {audit.rule: audit for audit in content.audits}
    names = sorted(content.rules, key=lambda name: (name != BASELINE_RULE, name))
    pages = []
    tables = [(replace(table, rows=()), table.rows, table.has_validity) for table in content.tables]
    for name in names:
        results = tuple((table, row) for table, rows, _ in tables for row in rows if row.rule == name)
        has_validity = any(checked and any(row.rule == name for row in rows) for _, rows, checked in tables)
        audit = by_rule.get(name)
        sources = {source for _, row in results for source in row.rule_sources}
        is_other = bool(audit) and bool(sources - {audit.environment.rule_source_hash} if audit else set())
        claims = tuple(
            RuleClaim(verdict.claim.name, verdict.claim.shown_as, verdict.words, verdict.tier)
            for verdict in content.claims
            if name in _compared(verdict)
        )
        tunings = tuple(
            (table, rule) for table in content.tunings for rule in table.rules if rule.record.spec.run.rule.name == name
        )
        remarks: RowRemarks = {}
        for table, row in results:
            if texts := content.remarks.get(table.table_id, {}).get(row.row_id):
                remarks.setdefault(table.table_id, {})[row.row_id] = texts
        words = content.stated.get(name)
        pages.append(RulePage(name, audit, results, has_validity, is_other, words, claims, tunings, remarks))
    return pages


def _compared(verdict: ClaimVerdict) -> set[str]:
    """Return the rules that a claim compares, those that others are compared with left out."""
    return {side.rule for comparison in verdict.claim.comparisons for side in comparison.sides}


def first_command(name: str, board: BoardPlan | None) -> str:
    """Return the command that makes a rule's first results: on the board's first task that it works on."""
    tracks = [track for task in (board.tasks if board else ()) if (track := task.track_of(name))]
    return f"benchsuite run {tracks[0] if tracks else 'quickstart'} --rules {name}"


def _trait_order(name: str) -> tuple[int, str]:
    order = list(TRAIT_WORDS)
    return (order.index(name) if name in order else len(order), name)
