"""Check the spec of a study by the model of its kind, which the registry has."""

from __future__ import annotations

from pydantic import TypeAdapter

from benchsuite.errors import Problem, nearest
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import Studies
from benchsuite.specs.loading.tree import Node
from benchsuite.specs.models.study import StudySpec


def check_study(node: Node, studies: Studies) -> tuple[StudySpec | None, list[Problem]]:
    """Validate a study, with everything that it extends filled in.

    Args:
        node: the study.
        studies: models of specs by ``kind``.

    Returns:
        The spec and no problems, or None and all problems.

    """
    kind = node.get("kind")
    known = ", ".join(sorted(studies)) or "none"
    if kind is None:
        return None, [node.mark.problem(f"required, missing (installed: {known})", "kind")]
    model = studies.get(kind.value) if isinstance(kind.value, str) else None
    if model is None:
        hint = nearest(str(kind.value), studies)
        message = f"no kind of study '{kind.value}'{hint} (installed: {known}; `benchsuite list plugins` shows more)"
        return None, [kind.mark.problem(message, "kind")]
    return check(TypeAdapter(model), node, shape=model)
