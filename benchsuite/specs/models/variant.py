"""Variants: a rule with settings of its own and a name for them, as a further row beside the rule."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from benchsuite.specs.models.base import Name, SpecModel, named_or_spelt_out

_LINE = re.compile(r"[^\W_](?:[^*?\[\]]*[^\s*?\[\]])?")


def _one_line(name: str) -> str:
    if not _LINE.fullmatch(name) or not name.isprintable():
        raise ValueError("expected a line of text that begins with a letter or a digit and has none of * ? [ ]")
    return name


# Not a pattern of pydantic's, whose message would show it.
RowName = Annotated[str, StringConstraints(max_length=80), AfterValidator(_one_line)]
"""Name of a row: a rule's, or any line of text that starts with a letter or a digit and has none of ``*?[]``."""

MEASUREMENT_FIELDS = frozenset({"evaluation", "timeout_s"})
"""Fields of the protocol that say how a run is measured, which must be the same for all rows of a table."""


def slug_of(name: str) -> str:
    """Return a row's name as one word for the command line: ``URFB, 50 % connectivity`` is ``urfb-50-connectivity``."""
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-")


def refuse_measurement_fields(protocol: dict[str, Any]) -> None:
    """Raise ValueError if a variant's protocol changes how runs are measured."""
    if found := sorted(MEASUREMENT_FIELDS & protocol.keys()):
        raise ValueError(
            f"a variant cannot change {' and '.join(found)}, since all rows of a table are measured alike; set it in "
            "the track"
        )


class VariantSpec(SpecModel):
    """One row: a rule with settings of its own, laid over those that the track has for the rule."""

    model_config = ConfigDict(serialize_by_alias=True)

    rule: Name
    """Name of the rule."""
    title: RowName = Field(alias="as")
    """Name of the row in commands, tables, pages and claims; unique in its suite or track, and no rule's name."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Hyperparameters that differ from the track's for the rule."""
    protocol: dict[str, Any] = Field(default_factory=dict)
    """Fields of the protocol that differ from the track's for the rule."""

    @model_validator(mode="after")
    def _is_measured_like_other_rows(self) -> VariantSpec:
        refuse_measurement_fields(self.protocol)
        return self


RowSpec = Annotated[
    Annotated[RowName, Tag("name")] | Annotated[VariantSpec, Tag("spelt_out")], Discriminator(named_or_spelt_out)
]
"""A row of a suite: the name of a rule or of a variant, or a variant spelt out."""
