"""Oracle: the tracks of a suite that a machine has data for."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from benchsuite.errors import DataError
from benchsuite.execution.preflight import runs_with_data
from benchsuite.specs.loading.resolve import SelectedRun, Selection
from benchsuite.specs.loading.resolve_tuning import resolve_tunings


def loader_without(*names):
    asked = []

    def load(dataset):
        asked.append(dataset.name)
        if dataset.name in names:
            raise DataError(f"data set '{dataset.name}' is not here")

    return SimpleNamespace(load=load), asked


def test_tracks_without_data_are_left_out_unless_all_lack_them(make_spec, caplog):
    """Catches a suite of which nothing is tuned since one data set is missing, and one that is left out in silence."""
    runs = [
        SelectedRun(make_spec(rule, track=track, dataset={"name": data}), "benchsuite tune")
        for track, data in (("a", "here"), ("b", "gone"), ("c", "gone"))
        for rule in ("backprop", "feedback_alignment")
    ]
    loader, asked = loader_without("gone")
    with caplog.at_level(logging.WARNING, logger="benchsuite.execution"):
        assert runs_with_data(runs, loader) == runs[:2]
    assert caplog.messages == ["left out: b, c: data set 'gone' is not here"]
    assert asked == ["here", "gone"]
    with pytest.raises(DataError, match="'gone' is not here"):
        runs_with_data(runs[2:], loader)


def test_tracks_without_validation_examples_are_left_out_of_a_suite(library, registry, caplog):
    """Catches a suite that cannot be tuned since images in files have no validation examples."""
    chosen = Selection("core", rules=("backprop",), tier="smoke", seeds=(0,))
    with caplog.at_level(logging.WARNING, logger="benchsuite.specs"):
        tunings = resolve_tunings(chosen, library, registry, lambda hardware: hardware)
    tracks = {tuning.spec.run.track for tuning in tunings}
    assert "core-mnist-dense" in tracks
    assert "core-imagenet-resnet18" not in tracks
    (message,) = caplog.messages
    assert "core-imagenet-resnet18" in message
