"""Find the names of variants for records, from the specs at hand; plugins are loaded only if there are variants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchsuite.api.workspace import Workspace, find_specs, open_workspace
from benchsuite.records.model import RunRecord
from benchsuite.results.row_names import NamesBySettings, by_settings, named_settings
from benchsuite.specs.loading.named_rows import named_runs, variants_of_library
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.track import RunSpec

FindNames = Callable[[Iterable[RunRecord]], NamesBySettings]
"""Returns the names of the settings of some records."""


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
