"""Fields that a model writes only where they differ from their default, as those that were added later."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from operator import eq
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema


def without_defaults(
    model: type[BaseModel], names: Iterable[str], schema: CoreSchema, handler: GetCoreSchemaHandler
) -> CoreSchema:
    """Return a model's schema that leaves some fields out where they have their default.

    To be called by a model's ``__get_pydantic_core_schema__``. ``Field(exclude_if=…)`` says the same of one field; this
    is for models whose subclasses name such fields, also inherited ones. A serializer in Python would turn the model
    into a dict first, and a site writes ten thousand records.

    Args:
        model: the model.
        names: names of the fields.
        schema: what pydantic has made of the model.
        handler: as pydantic gave it.

    """
    inner: Any = handler.resolve_ref_schema(schema)
    while inner["type"] != "model-fields":
        inner = inner["schema"]
    for name in names:
        default = model.model_fields[name].get_default(call_default_factory=True)
        inner["fields"][name]["serialization_exclude_if"] = partial(eq, default)
    return schema
