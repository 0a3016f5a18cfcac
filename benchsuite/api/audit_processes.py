"""Helper processes of `benchsuite audit`: each audits one rule after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from benchsuite.api.precision import PrecisionOptions
from benchsuite.execution.helper_processes import answer_questions, answers
from benchsuite.records.audit import RuleAudit


@dataclass(frozen=True)
class AuditRequest:
    """Everything that a helper needs beside the names of rules.

    Attributes:
        rules: all rules that are audited.
        precision: tracks on which updates are compared with float64.
        threads: torch threads of the command: with others, sums are rounded otherwise.

    """

    rules: tuple[str, ...]
    precision: PrecisionOptions
    threads: int


def audits_in_processes(rules: Sequence[str], precision: PrecisionOptions, jobs: int) -> Iterator[RuleAudit]:
    """Yield the audit of each rule in the given order, made by helper processes.

    Raises:
        PluginError: if a process died.
        DataError: if a data set is missing.

    """
    request = AuditRequest(tuple(rules), precision, torch.get_num_threads())
    yield from answers(__name__, request, rules, min(jobs, len(rules)))


def main() -> int:
    """Audit the rules whose names are asked for."""
    from benchsuite.api.audits import rule_auditor  # it imports this module

    def prepared(request: AuditRequest) -> Callable[[str], RuleAudit]:
        torch.set_num_threads(request.threads)
        return rule_auditor(request.rules, request.precision)

    return answer_questions(prepared)
