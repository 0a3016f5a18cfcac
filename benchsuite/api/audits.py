"""Audits: test what rules declare in ``traits``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from benchsuite.api.audit_processes import audits_in_processes
from benchsuite.api.options import PathLike, Rules, require_a_job, rule_names
from benchsuite.api.precision import PrecisionOptions, precision_auditor
from benchsuite.conformance.audit.rule_audit import audit_rule
from benchsuite.errors import EmptySelectionError
from benchsuite.execution.environment import environment_of
from benchsuite.files import write_text_atomically
from benchsuite.records.audit import RuleAudit
from benchsuite.records.reading import record_text
from benchsuite.registry import manager
from benchsuite.specs.loading.row_selection import is_pattern


def audit(rule: str, *, precision: PrecisionOptions | str | None = None) -> RuleAudit:
    """Test what a rule declares in ``traits``, with its default hyperparameters.

    Args:
        rule: name of an installed rule.
        precision: a track on whose initial state the rule's update is compared with float64 too, or all options of that
            comparison.

    Returns:
        The verdict on each trait with its numbers; ``.failed`` holds the contradicted traits, ``.precision`` the
        comparison with float64.

    Raises:
        PluginError: if there is no such rule.
        SpecError: if there is no such track.
        DataError: if the track's data set is missing.

    Example:
        >>> import benchsuite as bs
        >>> audit = bs.audit("readout_only")
        >>> [(each.trait, each.verdict) for each in audit.traits if each.trait == "trains_hidden"]
        [('trains_hidden', 'confirmed')]

    """
    options = PrecisionOptions((precision,)) if isinstance(precision, str) else precision
    (found,) = audit_rules([rule], precision=options)
    return found


def audit_rules(
    rules: Rules = None,
    *,
    out: PathLike | None = None,
    precision: PrecisionOptions | None = None,
    jobs: int = 1,
) -> Iterator[RuleAudit]:
    """Audit several rules, one after the other or several at once.

    Args:
        rules: names of rules, or patterns such as ``my_*``; all installed rules if not given.
        out: folder to write one JSON file per rule to, for ``build_site``.
        precision: tracks on which updates are compared with float64; not compared if not given.
        jobs: rules at the same time, each in a process of its own; changes neither results nor their order.

    Yields:
        The audit of each rule, as soon as it and those before it are done.

    Raises:
        EmptySelectionError: if a pattern matches no rule; raised before any is audited.
        PluginError: if one of the rules does not exist; raised before any is audited. Later, if a process died.
        SpecError: if one of the tracks does not exist, or ``jobs`` is below 1; raised before any rule is audited.

    """
    require_a_job(jobs)
    registry = manager.installed_registry()
    chosen = list(dict.fromkeys(_matching(rule_names(rules) or ("*",), sorted(registry.rules))))
    options = precision or PrecisionOptions()
    auditor = rule_auditor(chosen, options)
    at_once = min(jobs, len(chosen))

    def audits() -> Iterator[RuleAudit]:
        for done in map(auditor, chosen) if at_once == 1 else audits_in_processes(chosen, options, at_once):
            if out is not None:
                write_text_atomically(Path(out) / f"{done.rule}.json", record_text(done))
            yield done

    return audits()


def _matching(asked: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    """Yield the names asked for, with those that a pattern matches in its place."""
    for name in asked:
        if not is_pattern(name):
            yield name
        elif found := [each for each in known if fnmatchcase(each, name)]:
            yield from found
        else:
            raise EmptySelectionError(f"no installed rule matches {name}; there are {', '.join(known)}")


def rule_auditor(rules: Sequence[str], precision: PrecisionOptions) -> Callable[[str], RuleAudit]:
    """Look up all rules and tracks, and return the function that audits one of the rules.

    Raises:
        PluginError: if one of the rules does not exist.
        SpecError: if one of the tracks does not exist.

    """
    registry = manager.installed_registry()
    classes = {name: registry.rule(name) for name in rules}
    measured = precision_auditor(list(classes), precision)

    def audited(name: str) -> RuleAudit:
        precision = measured(name)  # first: a data set that is missing must not cost minutes of audited traits
        done = audit_rule(classes[name], environment_of(registry, name))
        return done.model_copy(update={"precision": precision})

    return audited
