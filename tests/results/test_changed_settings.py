"""Oracle: commands as records have them. Which settings of a rule they change beside what a tuning chose."""

from __future__ import annotations

import pytest

from benchsuite.results.changed_settings import changed_settings
from benchsuite.results.tables import summarize
from benchsuite.specs.models.comparison_plan import ComparisonPlan, PlannedComparison
from benchsuite.specs.models.tuning import CONFIG
from benchsuite_leaderboard.matrix import main_rows
from tests.factories import make_seeds, make_tuned_seeds, make_tuning

RUN = "benchsuite run digits-fc --rules dkp --tier quick --seed 0"
TUNED = (
    f"""{RUN} --set 'protocol.optimizer={{"kind": "adam", "learning_rate": 0.001}}' --set rules.dkp.config.decay=0.2"""
)


@pytest.mark.parametrize(
    ("command", "chosen", "expected"),
    [
        (RUN, (), ()),
        (TUNED, ("decay",), ()),
        (TUNED, (), ("decay",)),
        (f"{TUNED} --set rules.dkp.config.scale=2 --set hardware.threads=1", ("decay",), ("scale",)),
        (f"{RUN} --set 'rules.dkp.config={{\"scale\": 2}}'", (), ("config",)),
        (f"{RUN} --set rules.dkp.protocol.epochs=3", (), ()),
        (f"{RUN} 'typed by hand", (), ()),
    ],
)
def test_settings_that_a_command_changes(command: str, chosen: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert changed_settings(command, chosen) == expected


def test_the_row_with_the_tracks_settings_stands_for_the_rule_whatever_its_name() -> None:
    """Catches "samples=1" as a rule's row only since the alphabet has it before "samples=64"."""
    changed = f"{RUN} --set rules.fa.config.scale=1"
    records = [
        *make_seeds("fa", [0.1, 0.1, 0.1], config={"scale": 1}, command=changed),
        *make_seeds("fa", [0.2, 0.2], config={"scale": 2}),
    ]
    (table,) = summarize(records)
    assert main_rows(table)["fa"].config == {"scale": 2}
    assert {row.config["scale"]: row.changed_settings for row in table.rows} == {1: ("scale",), 2: ()}


def test_tuned_rows_that_searched_a_setting_have_not_changed_it() -> None:
    """Catches a tuned row that yields to one with another setting, since its command names what the tuning found."""
    own = make_tuning("fa", [0.3, 0.1], searched={"scale": (1.0, 4.0)})
    other = make_tuning("fa", [0.3, 0.1], config={"density": 0.5})
    assert own.best
    found = f"{RUN} --set rules.fa.config.scale={own.best.settings[CONFIG + 'scale']}"
    asked = f"{RUN} --set rules.fa.config.density=0.5"
    records = [
        *make_tuned_seeds(make_tuning("backprop", [0.3, 0.1]), [0.1, 0.1]),
        *make_tuned_seeds(own, [0.2, 0.2], command=found),
        *make_tuned_seeds(other, [0.1, 0.1], config={"density": 0.5}, command=asked),
    ]
    (table,) = summarize(records, tunings=[own, other])
    rows = [row for row in table.rows if row.rule == "fa"]
    assert sorted(row.changed_settings for row in rows) == [(), ("density",)]
    assert "density" not in main_rows(table)["fa"].config
    (table,) = summarize(records)
    assert not any(row.changed_settings for row in table.rows), "unknown without the tunings"


def test_a_planned_comparison_is_with_the_row_of_the_tracks_settings() -> None:
    """Catches a rival that is picked by the order of its settings, as the board's row once was."""
    changed = f"{RUN} --set rules.dkp.config.scale=1"
    records = [
        *make_seeds("fa", [0.2, 0.21, 0.22]),
        *make_seeds("dkp", [0.1, 0.11, 0.13], config={"scale": 1}, command=changed),
        *make_seeds("dkp", [0.3, 0.31, 0.33], config={"scale": 2}),
    ]
    plan = ComparisonPlan(derived=False, pairs=(PlannedComparison(row="fa", against="dkp"),))
    (table,) = summarize(records, plans={"digits-fc": plan})
    (row,) = (row for row in table.rows if row.rule == "fa")
    (comparison,) = row.comparisons
    (rival,) = (row for row in table.rows if row.config.get("scale") == 2)
    assert comparison.against_row == rival.row_id
