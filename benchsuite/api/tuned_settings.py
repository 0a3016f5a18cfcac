"""Find tuned settings for runs, in the records of tunings in a store."""

from __future__ import annotations

from typing import Literal

from benchsuite.api.options import PathLike, store_folder
from benchsuite.records.reading import BrokenRecord
from benchsuite.records.store import RecordStore, read_tunings
from benchsuite.records.tuning import TuningRecord
from benchsuite.specs.loading.tuned_rows import FindTuned, TunedSettings
from benchsuite.specs.models.tuning import TuningSpec
from benchsuite.specs.search_space import same_search

SettingsName = Literal["published", "tuned"]
"""``published``: as the specs have them. ``tuned``: as the best trial of a tuning in the store has them."""


def tuned_settings(store: PathLike | None) -> FindTuned:
    """Return the function that finds tuned settings in a store.

    Of several tunings the one with most trials counts, finalists included, then the latest.
    """
    records = [
        r
        for r in read_tunings(RecordStore(store_folder(store)).tunings_folder)
        if not isinstance(r, BrokenRecord) and r.best
    ]

    def find(spec: TuningSpec) -> TunedSettings | None:
        same = [record for record in records if same_search(record.spec, spec)]
        chosen: TuningRecord | None = max(same, key=lambda r: r.precedence, default=None)
        if chosen is None or chosen.best is None:
            return None
        return TunedSettings(chosen.tuning_id, chosen.spec.budget.words, chosen.best.settings)

    return find
