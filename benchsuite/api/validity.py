"""Find what validity checks need beside records: tracks' thresholds, and which rules say that they are backprop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pydantic import TypeAdapter

from benchsuite.api.workspace import Workspace, find_specs, open_workspace
from benchsuite.records.model import RunRecord
from benchsuite.registry.catalogue import Catalogue
from benchsuite.registry.manager import Registry
from benchsuite.results.validity import UPDATE_ANGLE, Validity
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.stated import stated_by_tracks
from benchsuite.specs.models.validity import ValiditySpec

FindValidity = Callable[[Iterable[RunRecord]], Validity]
"""Returns thresholds of validity checks, and what rules claim, for the tracks and rules of some records."""

IS_BACKPROP = "hidden_update_is_backprop"
"""The trait of rules that say so."""

_VALIDITY: TypeAdapter[ValiditySpec | None] = TypeAdapter(ValiditySpec)


def find_validity(records: Iterable[RunRecord], workspace: Workspace | None = None) -> Validity:
    """Return what validity checks of records need; plugins are loaded only if angles of updates were measured."""
    records = list(records)
    library = workspace.library if workspace else find_specs()
    thresholds = thresholds_of({record.spec.track for record in records}, library)
    if not any(UPDATE_ANGLE in record.spec.diagnostics.names for record in records):
        return Validity(thresholds)
    return Validity(thresholds, claims_of((workspace or open_workspace()).registry))


def thresholds_of(tracks: Iterable[str], library: SpecLibrary) -> Mapping[str, ValiditySpec]:
    """Return the thresholds of tracks that state any; wrong ones are passed over, since ``validate`` reports them."""
    return stated_by_tracks(tracks, "validity", _VALIDITY, library)


def claims_of(registry: Registry | Catalogue) -> Mapping[str, bool]:
    """Return, by rule, whether it says that its hidden segments get exactly backprop's gradient."""
    if isinstance(registry, Catalogue):
        return {name: bool(rule.traits[IS_BACKPROP]) for name, rule in sorted(registry.rules.items())}
    return {name: getattr(rule.traits, IS_BACKPROP) for name, rule in sorted(registry.rules.items())}
