"""One browser for all tests of this folder, and records on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.chromium import chromium

from .small_sites import records  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    logs = {"browser": "ALL", "performance": "ALL"}
    with chromium(tmp_path_factory.mktemp("profile"), logs=logs) as driver:
        driver.set_script_timeout(60)
        yield driver
        driver.execute_script("localStorage.clear()")
