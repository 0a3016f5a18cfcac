"""Oracle: Chromium. The page is opened from its file, as a reader would, with no network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchsuite.api.study_records import summarize_study
from benchsuite_leaderboard.site import build_site

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(browser, make_record, make_seeds, make_angles, make_study, tmp_path_factory):
    hostile = '</script><img src=x onerror="window.broken=1"><script>window.broken=1</script>'
    records = [
        *make_seeds("backprop", [0.10, 0.11, 0.12]),
        *[
            make_record("dfa", s, 0.05 + s / 100, diagnostics=make_angles(s, 3), config={hostile: hostile})
            for s in range(3)
        ],
        *make_seeds("readout-only", [0.50, 0.51]),
        make_record("fa", 0, 0.20, hardware_class=hostile, command=hostile),
        make_record("fa", 1, 0.90, hardware_class=hostile, status="diverged", reason=hostile),
        make_record("target-prop", 0, status="incompatible", reason="not invertible", curve=[], fingerprint=None),
    ]
    out = tmp_path_factory.mktemp("board") / "site"
    build_site([*records, make_study(title=hostile, command=hostile)], out, summarize=summarize_study)
    browser.get(Path(out / "tracks/digits-fc.html").as_uri())
    return browser


def wait_until(driver, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20).until(lambda d: d.execute_script(f"return {script}"))


def rules(driver) -> list[str]:
    return driver.execute_script("return [...document.querySelectorAll('.board .label')].map(e => e.textContent)")


def click_heading(driver, name: str) -> str:
    """Click a column's heading and return its aria-sort."""
    from selenium.webdriver.common.by import By

    heading = driver.find_element(By.XPATH, f"//th[.//span[starts-with(normalize-space(), '{name}')]]")
    heading.find_element(By.TAG_NAME, "button").click()
    return heading.get_attribute("aria-sort")


def test_every_chart_is_drawn(page):
    page.execute_script("document.querySelectorAll('details').forEach(fold => { fold.open = true })")
    page.execute_script("document.querySelector('.chart:not([data-drawn])')?.scrollIntoView()")
    wait_until(page, "document.querySelectorAll('.chart[data-drawn] svg').length === 3")
    assert page.execute_script("return document.querySelectorAll('.chart').length") == 3
    drawn = page.execute_script(
        "return [...document.querySelectorAll('.chart svg .mark-line path')].filter(p => p.getTotalLength() > 50)"
        ".length"
    )
    assert drawn >= 6


def test_drawing_moves_nothing_and_no_library_is_loaded_before_a_chart_is_near(page):
    """Catches a chart that is taller than its place, and 800 kB of script for a reader of the table alone."""
    address = page.current_url
    size = {"width": 1400, "height": 300, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.get("about:blank")
        page.get(address)
        libraries = "[...document.scripts].filter(s => s.src.includes('vendor')).length"
        assert page.execute_script(f"return {libraries}") == 0
        page.execute_script(
            "window.moved = 0; new PerformanceObserver(list => list.getEntries().forEach(e => window.moved += e.value))"
            ".observe({type: 'layout-shift', buffered: true})"
        )
        page.execute_script("document.querySelector('.chart').scrollIntoView()")
        wait_until(page, "document.querySelectorAll('.chart[data-drawn]').length > 0")
        assert page.execute_script(f"return {libraries}") == 3
        assert page.execute_script("return window.moved") < 0.1
        places = "[...document.querySelectorAll('.chart[data-drawn]')]"
        assert page.execute_script(f"return {places}.every(p => p.offsetHeight === parseInt(p.style.minHeight))")
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_print_shows_every_chart(page):
    """Catches a printed page with empty places where the reader did not scroll or unfold."""
    page.get(page.current_url)
    page.execute_script("document.querySelector('.chart').scrollIntoView()")
    wait_until(page, "document.querySelectorAll('.chart[data-drawn]').length > 0")
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert page.execute_script("return document.querySelectorAll('.chart:not([data-drawn])').length") == 0
    assert page.execute_script(
        "return [...document.querySelectorAll('.chart')].every(c => c.querySelector('svg').clientHeight > 50)"
    )
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.execute_script("return document.querySelectorAll('details.charts[open]').length") == 0


def test_the_page_says_nothing_on_the_console_and_asks_for_nothing_but_its_files(page):
    wait_until(page, "document.querySelectorAll('.chart[data-drawn] svg').length >= 1")
    assert [e for e in page.get_log("browser") if e["level"] in {"WARNING", "SEVERE"}] == []
    sent = [json.loads(e["message"])["message"] for e in page.get_log("performance")]
    requests = [m["params"] for m in sent if m["method"] == "Network.requestWillBeSent"]
    addresses = [r["request"]["url"] for r in requests if r["documentURL"].startswith("file:")]
    assert any(a.endswith("vega.min.js") for a in addresses)
    assert [a for a in addresses if not a.startswith(("file:", "data:"))] == []


def test_a_hostile_record_runs_no_script(page):
    assert page.execute_script("return window.broken") is None
    assert page.execute_script("return document.images.length") == 0


def test_sorting_by_test_error_orders_the_rows_and_keeps_what_is_missing_last(page):
    assert click_heading(page, "Test error") == "ascending"
    assert rules(page) == ["dfa", "backprop", "fa", "readout-only", "target-prop"]
    assert click_heading(page, "Test error") == "descending"
    assert rules(page) == ["readout-only", "fa", "backprop", "dfa", "target-prop"]
    assert click_heading(page, "#") == "ascending"
    assert rules(page)[:3] == ["dfa", "backprop", "readout-only"]


def test_a_heading_sorts_by_keyboard(page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    button = page.find_element(By.XPATH, "//th[.//span[normalize-space()='Rule']]//button")
    button.send_keys(Keys.ENTER)
    assert rules(page) == ["backprop", "dfa", "fa", "readout-only", "target-prop"]


def test_a_cell_reads_what_the_records_say(page):
    cell = "document.querySelector('tbody.best .strong').firstChild.textContent.trim()"
    assert page.execute_script(f"return {cell}") == "6.00 ± 1.00"


def test_a_phone_scrolls_the_table_and_not_the_page(page):
    emulate = "Emulation.setDeviceMetricsOverride"
    page.execute_cdp_cmd(emulate, {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True})
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") == 390
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_studys_charts_are_drawn(page):
    """Last, since it leaves the page that the tests above share."""
    address = page.current_url
    page.get(address.replace("tracks/digits-fc", "studies/a-study"))
    wait_until(page, "document.querySelectorAll('.chart[data-drawn=yes]').length === 4")
    assert page.execute_script("return document.querySelectorAll('.chart-problem').length") == 0
    assert page.execute_script("return window.broken") is None
    page.get(address)
