"""Keep tests of one group together in one worker of a parallel run."""

from __future__ import annotations

from typing import Any

import pytest

TOGETHER = {
    "tests/conformance/kit/test_third_party_rule.py": "one virtual environment",
    "tests/execution/hostile/test_hostile_rules.py": "one command of hostile rules",
    "tests/execution/test_ray_executor.py": "one cluster",
    "tests/execution/test_workers.py": "one server of workers",
    "tests/leaderboard/test_browser.py": "one browser",
    "tests/leaderboard/test_browser_pages.py": "one browser",
    "tests/records/mlflow/test_processes.py": "one crowd of processes",
    "tests/training/test_ranks.py": "one torchrun at a time",
}
"""Modules whose tests share what is costly to start, with the name of what they share. All other tests go one by one to
whichever worker is free. xdist's own marker for this does nothing under pytest 9.2, which keeps ids elsewhere."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that keeps to ``TOGETHER``; what is shared by most tests starts first."""
    if config.getoption("dist") != "load":
        return None
    # Imported here: pytest runs without xdist too.
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return TOGETHER.get(nodeid.partition("::")[0], nodeid)

    return Scheduling(config, log)
