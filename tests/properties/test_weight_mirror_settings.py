"""Oracle: the documentation of the settings. A preset fills what is not given, and a record spells it out."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from benchsuite_rules.weight_mirror import WeightMirror

Config = WeightMirror.Config


def test_a_preset_is_spelt_out_in_what_is_resolved():
    spelt_out = Config(preset="authors").model_dump(mode="json")
    assert spelt_out == {
        "preset": "authors",
        "distribution": "normal",
        "standard_deviation": None,
        "scale": "root_fan_sum",
        "noise": "uniform",
        "noise_standard_deviation": pytest.approx(0.0288675),
        "mirror_rate": 0.01,
        "reduction": "sum",
        "mirror_batch_size": 128,
        "mirror_steps": 1,
        "initial_mirror_steps": 468,
        "center_response": False,
        "bias_blocking": False,
        "batch_norm": "bypass",
        "readout_response": "sigmoid",
        "norm_control": "none",
        "decay": None,
    }
    assert Config.model_validate(spelt_out) == Config(preset="authors")
    assert Config.model_validate_json(Config().model_dump_json()) == Config()


def test_a_field_that_is_given_is_not_the_presets():
    config = Config(preset="authors", mirror_rate=0.5, norm_control="scaling", standard_deviation=0.2)
    assert (config.mirror_rate, config.norm_control, config.noise) == (0.5, "scaling", "uniform")
    assert (config.scale, config.standard_deviation, config.decay) == (None, 0.2, None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"norm_control": "none", "decay": 0.1}, "leave one of the two out"),
        ({"norm_control": "decay", "decay": None}, "needs a decay"),
        ({"preset": "authors", "norm_control": "decay", "decay": None}, "needs a decay"),
        ({"mirror_batch_size": 1}, "larger mirror_batch_size"),
        ({"preset": "author"}, "'corrected' or 'authors'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given, says):
    with pytest.raises(ValidationError, match=says):
        Config(**given)
