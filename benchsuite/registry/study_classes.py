"""Check of the classes that plugins return as kinds of studies."""

from __future__ import annotations

import inspect
from typing import Any, get_args

from benchsuite.errors import PluginError
from benchsuite.specs.models.study import StudySpec


def check_study_class(study: Any) -> None:
    """Raise PluginError if an object is not a complete subclass of ``benchsuite.plugin.Study``.

    Checked by what it has: the class ``Study`` itself belongs to a part of the suite that uses the registry.
    """
    if not (isinstance(study, type) and callable(getattr(study, "summarize", None))):
        raise PluginError(f"benchsuite_studies returned {study!r}, which is not a subclass of benchsuite.plugin.Study")
    if inspect.isabstract(study):
        missing = ", ".join(sorted(getattr(study, "__abstractmethods__", ())))
        raise PluginError(f"study {study.__name__} lacks {missing}")
    kind, spec, result = (getattr(study, name, None) for name in ("kind", "Spec", "Result"))
    if not isinstance(kind, str):
        raise PluginError(f"study {study.__name__} has no class attribute 'kind' of type str")
    if not (isinstance(spec, type) and issubclass(spec, StudySpec)):
        raise PluginError(f"study {study.__name__}: Spec must be a subclass of benchsuite.plugin.StudySpec")
    if get_args(spec.model_fields["kind"].annotation) != (kind,):
        raise PluginError(f'study {study.__name__}: Spec must have the field kind: Literal["{kind}"]')
    if not (isinstance(result, type) and callable(getattr(result, "model_validate", None))):
        raise PluginError(f"study {study.__name__}: Result must be a subclass of benchsuite.plugin.StudyResult")
