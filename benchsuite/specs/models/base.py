"""What all specs share: frozen, closed models with a name and prose that never changes a number."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=80)]
"""How specs, rules and plugins are called: it becomes part of file names and addresses."""

Tier = Literal["smoke", "quick", "paper"]
"""How much of a track is run: seconds on a CPU, minutes on a CPU, or the published protocol."""

TIERS: tuple[Tier, ...] = ("smoke", "quick", "paper")

DOCUMENTATION_FIELDS = frozenset({"title", "description", "source"})
"""Fields for people; left out of the hash, since mending a sentence does not make another experiment."""


class HashedModel(BaseModel):
    """Frozen, refuses unknown fields and numbers that are not numbers; what it is written as names a run.

    A field that comes after runs have been recorded changes nothing for those runs while it has its default. So that
    their hashes stay as they are, such a field is named in ``later_fields``, and written only where it says otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    later_fields: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _leave_out_later_fields_at_their_default(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        fields = type(self).model_fields
        for name in self.later_fields:
            if getattr(self, name) == fields[name].get_default(call_default_factory=True):
                written.pop(name, None)
        return written


class SpecModel(HashedModel):
    """What every part of a spec is."""


class DocumentedSpec(SpecModel):
    """A spec with a name of its own and what a reader wants to know of it."""

    name: Name
    """What other specs and the command call it."""
    title: str = ""
    """How tables and pages show it; the name if empty."""
    description: str = ""
    """What it is, and why it is as it is."""
    source: str = ""
    """Where it comes from: paper, section, table; says 'inferred' or 'our choice' where it is."""

    @property
    def shown_as(self) -> str:
        """Return the title, or the name where there is none."""
        return self.title or self.name


def strip_documentation(value: Any) -> Any:
    """Return plain data without the fields that are there for people only."""
    if isinstance(value, dict):
        return {k: strip_documentation(v) for k, v in value.items() if k not in DOCUMENTATION_FIELDS}
    if isinstance(value, list):
        return [strip_documentation(v) for v in value]
    return value


def named_or_spelt_out(value: Any) -> str:
    """Return the tag of a choice that is a name alone, or spelt out as a number or a mapping."""
    return "name" if isinstance(value, str) else "spelt_out"


PositiveFloat = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, lt=1)]
