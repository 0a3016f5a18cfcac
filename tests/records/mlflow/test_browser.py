"""Oracle: Chromium. What a person sees who clicks on from ``benchsuite ui``."""

from __future__ import annotations

import pytest

from benchsuite.records.mlflow.labels import KnownLabels, RuleLabel
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.ui import page_of, running_ui
from benchsuite.records.mlflow.uris import default_artifact_root, default_tracking_uri
from benchsuite.records.model import NetworkUsed
from benchsuite_leaderboard.site import build_site

from ...chromium import chromium

PATIENCE_S = 120
COLORS = {"backprop": "#757575", "dfa": "#cf7416", "fa": "#3f7fd0"}

BARS = """
const chart = document.querySelector(".js-plotly-plot:has(.bars)");
if (!chart) return null;
const bars = [...chart.querySelectorAll(".bars .point path")].map(bar => bar.style.fill);
return {bars, texts: [...chart.querySelectorAll(".bars .point text")].map(text => text.textContent)};
"""

pytestmark = pytest.mark.browser


@pytest.fixture
def driver(tmp_path):
    with chromium(tmp_path / "profile", height=1500) as started:
        yield started


def rgb(color: str) -> str:
    return f"rgb({', '.join(str(int(color[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_two_clicks_lead_to_errors_by_rule_and_one_more_to_the_board(store, make_record, driver):
    """Catches a first page without runs, a chart without results, rules in other colours, and no way back."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    wait = WebDriverWait(driver, PATIENCE_S)
    network = NetworkUsed(parameters=10, feedback_parameters=0, segments=("dense1", "readout"), taken_over=())
    records = [make_record(rule=rule, seed=seed, network=network) for rule in COLORS for seed in range(2)]
    labels = KnownLabels(rules={rule: RuleLabel(color, "a paper") for rule, color in COLORS.items()})
    mirror = Mirror.open(default_tracking_uri(store.root), store.root, labels)
    for record in records:
        mirror.upsert(record)
    board = store.root / "site"
    build_site(records, board)
    with running_ui(default_tracking_uri(store.root), default_artifact_root(store.root), board, port=0) as address:
        driver.get(page_of(address, None))
        driver.find_element(By.LINK_TEXT, "charts").click()
        seen = wait.until(lambda d: (found := d.execute_script(BARS)) and len(found["texts"]) == len(COLORS) and found)
        assert sorted(seen["bars"]) == sorted(map(rgb, COLORS.values()))
        assert seen["texts"] == ["10.00"] * len(COLORS)
        text = driver.find_element(By.TAG_NAME, "body").text
        assert "final/test_error_percent" in text
        assert "MLflow Assistant" not in text
        driver.find_element(By.LINK_TEXT, "on the board").click()
        driver.switch_to.window(driver.window_handles[-1])
        wait.until(lambda d: d.current_url == f"{address}/benchsuite/board/tracks/digits-fc.html")
        driver.find_element(By.LINK_TEXT, "This track in MLflow").click()
        wait.until(lambda d: (found := d.execute_script(BARS)) and len(found["texts"]) == len(COLORS))
