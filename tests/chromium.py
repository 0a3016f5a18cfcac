"""Chromium without a window, for tests that are marked ``browser``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_browser() -> str | None:
    """Return the path of Chromium; None if it or its driver is not there."""
    return next(filter(None, map(shutil.which, BROWSERS)), None) if shutil.which(DRIVER) else None


@contextmanager
def chromium(profile: Path, height: int = 1000, logs: dict[str, str] | None = None) -> Iterator[Chrome]:
    """Start Chromium, 1400 pixels wide, for the length of the block.

    Args:
        profile: an empty folder for its profile.
        height: of its window in pixels.
        logs: logs that it keeps, with their levels.

    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(find_browser())
    for switch in (*SWITCHES, f"--window-size=1400,{height}", f"--user-data-dir={profile}"):
        options.add_argument(switch)
    if logs:
        options.set_capability("goog:loggingPrefs", logs)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which(DRIVER))))
    try:
        yield driver
    finally:
        driver.quit()
