"""Oracle: arithmetic by hand on the digits network, and the command's own plan."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchsuite as bs


def test_a_plan_has_work_and_hours_and_says_what_is_refused() -> None:
    """Catches hours summed over refused runs, and a refusal told once per seed."""
    plan = bs.plan("digits-fc", rules=["backprop", "gevb"], seeds=2, set={"hardware.sustained_tflops": 0.05})
    assert [run.selected.spec.rule.name for run in plan.runs] == ["backprop", "backprop"]
    assert len(plan) == len(list(plan)) == 4
    assert [(pair.track, pair.rule) for pair in plan.refused] == [("digits-fc", "gevb")]
    assert plan.flops == 2 * plan.runs[0].estimate.flops_total
    assert plan.hours == pytest.approx(plan.flops / 0.05e12 / 3600)
    assert bs.plan("digits-fc", rules="backprop").hours is None


def test_a_plan_of_which_nothing_can_run_names_tracks_that_fit() -> None:
    """Catches a reader left without a track that would do, and one named on which the rule is refused too."""
    plan = bs.plan("core-mnist-dense", rules=["equilibrium_propagation", "gevb"], seeds=1)
    assert list(plan.works_on) == ["equilibrium_propagation", "gevb"]
    assert list(plan.works_on["equilibrium_propagation"][:2]) == ["mnist-dense-tanh", "mnist-dense-hard-sigmoid"]
    assert f"gevb works on {', '.join(plan.works_on['gevb'])}" in str(plan)
    assert all(bs.plan(name, rules="gevb", seeds=1).runs for name in plan.works_on["gevb"][:1])
    assert not bs.plan("core-mnist-dense", rules=["backprop", "gevb"], seeds=1).works_on


def test_a_plan_says_which_data_are_not_at_hand(tmp_path: Path) -> None:
    """Catches a plan that looks ready although no run could start, and missing data told as a refusal."""
    plan = bs.plan("mnist-fc", rules=["backprop", "gevb"], seeds=2, data_root=tmp_path)
    (missing,) = plan.missing_data
    assert (missing.dataset, missing.runs, len(plan.refused)) == ("mnist", 2, 1)
    assert "`benchsuite data fetch mnist`" in missing.detail
    assert "2 runs, 2 without data at hand, 2 refused" in plan.table()
    assert bs.plan("digits-fc", rules="backprop", data_root=tmp_path).missing_data == ()


def test_seeds_are_a_number_or_a_list() -> None:
    """Catches ``seeds=[3]`` taken for three seeds."""
    assert [run.selected.spec.seed for run in bs.plan("digits-fc", rules="backprop", seeds=2)] == [0, 1]
    assert [run.selected.spec.seed for run in bs.plan("digits-fc", rules="backprop", seeds=[3, 1])] == [3, 1]


@pytest.mark.parametrize("seeds", [0, [], [-1], -2])
def test_impossible_seeds_are_refused(seeds: object) -> None:
    """Catches ``seeds=0`` that runs the suite's own number of seeds."""
    with pytest.raises(bs.SpecError, match="seed"):
        bs.plan("digits-fc", rules="backprop", seeds=seeds)  # type: ignore[arg-type]


def test_settings_are_a_mapping_or_the_commands_own_texts() -> None:
    """Catches an override whose value arrives as text, and a run that is another one than the command's."""
    settings = {"protocol.epochs": 7, "protocol.optimizer": {"kind": "sgd", "learning_rate": 1e-05}}
    texts = ["protocol.epochs=7", "protocol.optimizer={kind: sgd, learning_rate: 1e-5}"]
    (one,) = bs.plan("digits-fc", rules="backprop", seeds=1, set=settings)
    (other,) = bs.plan("digits-fc", rules="backprop", seeds=1, set=texts)
    assert one.selected.spec.protocol.epochs == 7
    assert one.run_id == other.run_id


def test_a_setting_that_is_no_plain_value_is_refused() -> None:
    """Catches ``repr`` of an object that slips into a spec."""
    with pytest.raises(bs.SpecError, match="found"):
        bs.plan("digits-fc", rules="backprop", set={"protocol.epochs": object()})


def test_the_table_is_text_and_html(tmp_path: Path) -> None:
    """Catches escape codes or markup in what a notebook shows."""
    plan = bs.plan("digits-fc", rules=["backprop", "gevb"], seeds=1)
    text = plan.table()
    assert str(plan) == text
    assert "\x1b" not in text
    assert "[yellow]" not in text
    assert "refused: gevb on digits-fc" in text
    assert plan._repr_html_().startswith("<pre")
    assert repr(plan).startswith("<Plan: 1 run, 1 pair refused")


def test_a_file_of_ones_own_is_a_target(tmp_path: Path) -> None:
    """Catches a library that only knows built-in names."""
    file = tmp_path / "own" / "tracks" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("extends: digits-fc\nprotocol: {batch_size: 7}\n")
    (run,) = bs.plan(file, rules="backprop", seeds=1, tier="paper")
    (same,) = bs.plan("mine", rules="backprop", seeds=1, tier="paper", specs=tmp_path / "own")
    assert run.selected.spec.protocol.batch_size == 7
    assert run.run_id == same.run_id
