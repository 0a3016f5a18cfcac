"""Descriptions in JSON Schemas, from the docstrings below the fields of models.

pydantic's ``use_attribute_docstrings`` reads the source of every model whenever it is imported, an eighth of a short
command's time; only schemas need it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class DescribedFields(GenerateJsonSchema):
    """pydantic's generator, with the docstring below each field as its description unless it has another."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the JSON Schema of a model."""
        found = super().model_schema(schema)
        model = schema["cls"]
        by_alias = {info.alias: field for field, info in model.model_fields.items() if info.alias}
        for name, property_schema in found.get("properties", {}).items():
            description = _description(model, by_alias.get(name, name))
            if description and isinstance(property_schema, dict):
                property_schema.setdefault("description", description)
        return found


def _description(model: type[Any], field: str) -> str | None:
    """Return the docstring of a field from the class that defines it."""
    for each in model.__mro__:
        if field in vars(each).get("__annotations__", {}):
            return _docstrings(each).get(field)
    return None


@cache
def _docstrings(model: type[Any]) -> Mapping[str, str]:
    """Return the docstring of each field that a class defines and that has one."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except (OSError, TypeError, SyntaxError):  # made by create_model, or in a console
        return {}
    statements = body[0].body if body and isinstance(body[0], ast.ClassDef) else []
    found = {}
    for statement, below in pairwise(statements):
        match statement, below:
            case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str() as text)):
                found[field] = inspect.cleandoc(text)
    return found
