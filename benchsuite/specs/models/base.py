"""Base classes of all specs: frozen, closed models, with a name and documentation that is never hashed."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema

from benchsuite.specs.models.omitted_defaults import without_defaults

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=80)]
"""Name of a spec, rule or plugin; used in file names and addresses."""

Tier = Literal["smoke", "quick", "paper"]
"""Size of a run of a track: seconds on a CPU, minutes on a CPU, or the published protocol."""

TIERS: tuple[Tier, ...] = ("smoke", "quick", "paper")

DOCUMENTATION_FIELDS = frozenset({"title", "description", "source", "tuned_by"})
"""Fields for people; left out of the hash, so that correcting a sentence does not change the hash."""


class HashedModel(BaseModel):
    """A frozen model that refuses unknown fields, NaN and infinity; the hash of its serialized form identifies a run.

    A field that is added after runs have been recorded changes nothing for those runs while it has its default. To keep
    their hashes, name such a field in ``omit_default_from_hash``: it is then serialized only if it differs from its
    default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    omit_default_from_hash: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return without_defaults(cls, cls.omit_default_from_hash, handler(source), handler)


class SpecModel(HashedModel):
    """Base class of every part of a spec."""


class DocumentedSpec(SpecModel):
    """A spec with a name and documentation."""

    name: Name
    """Name in other specs and in commands."""
    title: str = ""
    """Title in tables and pages; the name if empty."""
    description: str = ""
    """Content of the spec, and the reasons for its choices."""
    source: str = ""
    """Origin: paper, section, table; says 'inferred' or 'our choice' if it is."""

    @property
    def shown_as(self) -> str:
        """The title, or the name if there is none."""
        return self.title or self.name


def strip_documentation(value: Any) -> Any:
    """Return plain data without the documentation fields."""
    if isinstance(value, dict):
        return {k: strip_documentation(v) for k, v in value.items() if k not in DOCUMENTATION_FIELDS}
    if isinstance(value, list):
        return [strip_documentation(v) for v in value]
    return value


def named_or_spelt_out(value: Any) -> str:
    """Return the union tag of a value: ``name`` for a string, ``spelt_out`` for a number or mapping."""
    return "name" if isinstance(value, str) else "spelt_out"


PositiveFloat = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, lt=1)]
