"""Keep tests of one group together in one worker of a parallel run, and start first what takes longest."""

from __future__ import annotations

from typing import Any

import pytest

WAITING = (
    "tests/execution/hostile/test_hostile_rules.py",
    "tests/training/test_ranks.py",
    "tests/api/test_examples.py::test_the_example_gives_what_it_shows[tuning.tune]",
    "tests/cli/test_imagenet.py::test_a_signal_to_the_processes_that_decode_too_is_an_interruption",
    "tests/cli/test_run.py::test_a_killed_run_is_continued_by_the_next_command",
    "tests/cli/test_run.py::test_commands_started_at_once_share_the_work",
    "tests/cli/test_run.py::test_interrupting_saves_state_and_prints_the_command_that_continues",
    "tests/docs/test_pages.py::test_examples_of_a_page_run_in_order[tutorials/a-rule.md]",
    "tests/execution/test_ray_executor.py",
    "tests/execution/test_workers.py",
    "tests/records/mlflow/test_database.py::test_a_database_gets_its_name_when_it_is_complete",
    "tests/test_fill_board.py::test_ctrl_c_is_passed_on_and_waited_for",
)
"""Beginnings of the ids of tests that wait for time limits and for processes of their own. One worker waits for them,
from the start, while the others compute; if several waited, a core would have nothing to do."""
TOGETHER = {
    "tests/conformance/kit/test_third_party_rule.py": "one virtual environment",
    "tests/leaderboard/test_browser.py": "one browser",
    "tests/leaderboard/test_browser_pages.py": "one browser",
    "tests/leaderboard/test_new_reader.py": "one browser",
    "tests/records/mlflow/test_browser.py": "one browser",
    "tests/records/mlflow/test_processes.py": "one crowd of processes",
}
"""Modules whose tests share what is costly to start, with the name of what they share. All other tests go one by one to
whichever worker is free. xdist's own marker for this does nothing under pytest 9.2, which keeps ids elsewhere."""
SHORT = ("tests/properties/", "tests/rules/")
"""Folders of thousands of short tests, which come last: then no worker has a long one left when the others are done."""
WAITS = "what waits"


def group_of(nodeid: str) -> str:
    """Return the name of a test's group; a test without one is a group of its own."""
    return WAITS if nodeid.startswith(WAITING) else TOGETHER.get(nodeid.partition("::")[0], nodeid)


def turn_of(nodeid: str) -> int:
    """Return the place of a test's group among all: what waits, what shares, then the others."""
    group = group_of(nodeid)
    if group != nodeid:
        return 0 if group == WAITS else 1
    return 3 if nodeid.startswith(SHORT) else 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that keeps to the groups and to their order."""
    if config.getoption("dist") != "load":
        return None
    # Imported here: pytest runs without xdist too.
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            group = group_of(self.registered_collections[node][item_index])
            super().mark_test_complete(node, item_index, duration)
            # xdist counts all groups that a worker ever had, after every test.
            if all(self.assigned_work[node][group].values()):
                del self.assigned_work[node][group]

    config.option.loadscopereorder = False  # in the order of collection, see tests/conftest.py
    return Scheduling(config, log)
