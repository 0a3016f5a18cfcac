"""Call a plugin's builder of networks, and report its errors as the builder's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import nn

from benchsuite.errors import BenchsuiteError, PluginError
from benchsuite.networks.shapes.custom import CustomChain
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.specs.models.architecture import (
    ArchitectureSpec,
    ChainArchitecture,
    PluginArchitecture,
    ResNetArchitecture,
    TorchvisionArchitecture,
)

ArchitectureBuilder = Callable[
    [dict[str, Any], Shape, int], ArchitectureSpec | CustomChain | Mapping[str, Any] | nn.Module
]
"""A plugin's builder: maps (options, input shape, classes) to an architecture of a built-in kind, as a model or as
plain data; to a chain with maps, layers or nonlinearities of its own; or to a new torch module, which is adopted."""

BuiltArchitecture = ChainArchitecture | CustomChain | ResNetArchitecture | TorchvisionArchitecture

_ADAPTER: TypeAdapter[ArchitectureSpec] = TypeAdapter(ArchitectureSpec)


def call_builder(
    builder: ArchitectureBuilder, spec: PluginArchitecture, input_shape: Shape, classes: int
) -> BuiltArchitecture | nn.Module:
    """Return what a builder makes of a spec's options; it gets a copy of them.

    Raises:
        BenchsuiteError: the builder's own, unchanged.
        PluginError: if it raises anything else, or returns something else.

    """
    try:
        built: Any = builder(copy.deepcopy(spec.options), input_shape, classes)
    except BenchsuiteError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{_name(spec)} failed: {type(error).__name__}: {error}; tell its author") from error
    if isinstance(built, Mapping):
        built = _validated(built, spec)
    if not isinstance(built, BuiltArchitecture | nn.Module):
        raise PluginError(
            f"{_name(spec)} returned {type(built).__name__}, expected an architecture of a built-in kind (a mapping of "
            "its fields, or a model), a CustomChain or an nn.Module; tell its author"
        )
    return built


def _validated(fields: Mapping[str, Any], spec: PluginArchitecture) -> ArchitectureSpec:
    try:
        return _ADAPTER.validate_python({"name": spec.name, **fields})
    except ValidationError as error:
        found = [f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors()]
        raise PluginError(f"{_name(spec)} returned a wrong architecture: {'; '.join(found)}; tell its author") from None


def _name(spec: PluginArchitecture) -> str:
    return f"architecture '{spec.name}': builder '{spec.builder}' of a plugin"
