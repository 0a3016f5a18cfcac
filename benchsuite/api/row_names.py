"""Find what specs say of tables: names of variants, for which plugins are loaded, and planned comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pydantic import TypeAdapter

from benchsuite.api.validity import FindValidity as FindValidity
from benchsuite.api.validity import find_validity as find_validity
from benchsuite.api.workspace import Workspace, find_specs, open_workspace
from benchsuite.records.model import RunRecord
from benchsuite.results.planned import PlansByTrack
from benchsuite.results.row_names import NamesBySettings, by_settings, named_settings
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.named_rows import named_runs, variants_of_library
from benchsuite.specs.loading.stated import stated_by_tracks
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.comparison_plan import ComparisonPlan
from benchsuite.specs.models.track import RunSpec

FindNames = Callable[[Iterable[RunRecord]], NamesBySettings]
"""Returns the names of the settings of some records."""

FindPlans = Callable[[Iterable[str]], PlansByTrack]
"""Returns the planned comparisons of some tracks."""

_PLAN: TypeAdapter[ComparisonPlan | None] = TypeAdapter(ComparisonPlan)


def find_names(
    records: Iterable[RunRecord], workspace: Workspace | None = None, selected: Sequence[RunSpec] = ()
) -> NamesBySettings:
    """Return the names that specs give to the settings of records.

    Args:
        records: records of runs.
        workspace: plugins and specs; the installed ones if not given.
        selected: runs of a request, whose variants may be defined in a file outside of all folders of specs.

    """
    cells = {(record.spec.track, record.spec.tier) for record in records}

    def is_wanted(track: str, tier: Tier) -> bool:
        return (track, tier) in cells

    specs = [spec for spec in selected if spec.rule.title]
    library = workspace.library if workspace else find_specs()
    if next(variants_of_library(library, is_wanted), None):
        known = workspace or open_workspace()
        specs += named_runs(known.library, known.registry, is_wanted)
    return by_settings(named_settings(specs))


def find_plans(tracks: Iterable[str], workspace: Workspace | None = None) -> PlansByTrack:
    """Return the planned comparisons of the tracks that state them.

    Args:
        tracks: names of tracks; one without a spec is passed over, and so is a wrong one, which ``validate`` reports.
        workspace: plugins and specs; the installed ones if not given.

    """
    return plans_of_library(tracks, workspace.library if workspace else find_specs())


def plans_of_library(tracks: Iterable[str], library: SpecLibrary) -> PlansByTrack:
    """Return the planned comparisons of the tracks of a library that state them."""
    return stated_by_tracks(tracks, "comparisons", _PLAN, library)
