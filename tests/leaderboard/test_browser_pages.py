"""Oracle: Chromium and axe-core. Each kind of page is opened from its file, as a reader would, with no network."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from benchsuite.api.study_records import summarize_study
from benchsuite.papers.statements import Papers
from benchsuite.records.audit import Observation, RuleAudit, RuleNeeds, TraitAudit
from benchsuite.results.board_plan import RuleWords
from benchsuite_leaderboard.site import build_site
from tests.factories import make_timing, make_tuning

HOSTILE = '</script><img src=x onerror="window.broken=1"><script>window.broken=1</script>{{ 7 * 7 }}'
KINDS = {
    "front": "index.html",
    "track": "tracks/t1.html",
    "rules": "rules.html",
    "rule": "rules/fa.html",
    "compare": "compare.html",
    "pair": "compare/backprop/fa.html",
    "run": "",
    "study": "studies/a-study.html",
    "tuning": "tuning/t1.html",
    "tunings": "tuning.html",
    "method": "method.html",
    "glossary": "glossary.html",
    "submit": "submit.html",
    "changes": "changes.html",
    "papers": "papers.html",
}
"""One page of each kind; the run's has its id in its name."""

pytestmark = pytest.mark.browser


def hostile_audit(environment) -> RuleAudit:
    seen = Observation(network=HOSTILE, where=HOSTILE, value=1.0)
    audited = TraitAudit(
        trait="weight_transport",
        declared=False,
        shown=True,
        verdict="contradicted",
        measure=HOSTILE,
        threshold=0.1,
        observations=(seen,),
    )
    needs = RuleNeeds(
        mechanism=HOSTILE,
        source=HOSTILE,
        forms=(HOSTILE,),
        topologies=(),
        map_kinds=(HOSTILE,),
        min_hidden_segments=1,
        learns_feedback=True,
    )
    return RuleAudit(rule="fa", summary=HOSTILE, needs=needs, environment=environment, traits=(audited,))


@pytest.fixture(scope="module")
def site(make_record, make_seeds, make_angles, make_study, tmp_path_factory) -> Path:
    hostile = {
        "hardware_class": HOSTILE,
        "precision": HOSTILE,
        "command": HOSTILE,
        "config": {HOSTILE: HOSTILE},
        "dataset": {"title": HOSTILE},
        "architecture": {"title": HOSTILE},
    }
    angles = [a.model_copy(update={"segment": HOSTILE, "diagnostic": HOSTILE}) for a in make_angles(0, 3)]
    records = [make_record("fa", 0, 0.3, track="t9", diagnostics=angles, reason=HOSTILE, **hostile)]
    for number, track in enumerate(("t1", "t2")):
        records += make_seeds("backprop", [0.10, 0.11, 0.12], track=track)
        records += [
            make_record("fa", s, 0.2 + s / 50 + number / 10, track=track, diagnostics=make_angles(s, 3))
            for s in range(3)
        ]
        records += make_seeds("readout-only", [0.5, 0.52, 0.53], track=track)
    records.append(make_record("dfa", 0, track="t1", status="diverged", reason=HOSTILE))
    out = tmp_path_factory.mktemp("board") / "site"
    audits = [hostile_audit(records[0].environment)]
    studies = [make_study(title=HOSTILE, command=HOSTILE)]
    tunings = [make_tuning("backprop", track="t1", command=HOSTILE, reason=HOSTILE)]
    tunings.append(make_tuning("fa", (None, 0.3, 0.02, None), track="t1", searched={"scale": (0.1, 10)}))
    papers = Papers(rules={"fa": RuleWords(HOSTILE[:12], HOSTILE, f"Somebody 2016, arXiv:1609.01596; {HOSTILE}")})
    timings = [make_timing({"backprop": (2.0, 2.1), "fa": (3.0, 3.1)}, track="t2")]
    build_site(
        [*records, *studies],
        out,
        audits=audits,
        timings=timings,
        tunings=tunings,
        papers=papers,
        summarize=summarize_study,
        title="A board",
    )
    KINDS["run"] = f"runs/t1/{records[4].run_id}.html"
    return out


@pytest.fixture
def driver(browser):
    return browser


@pytest.fixture
def page(driver, site):
    """Open a page of a kind and wait until all its charts are drawn."""

    def show(kind: str, address: str = ""):
        driver.get("about:blank")
        driver.get((site / KINDS[kind]).as_uri() + address)
        driver.execute_script("document.querySelectorAll('details.charts').forEach(fold => { fold.open = true })")
        height = driver.execute_script("return document.documentElement.scrollHeight")
        for place in range(0, height, 800):
            driver.execute_script(f"scrollTo(0, {place})")
        wait_until(driver, "document.querySelectorAll('.chart:not([data-drawn])').length === 0")
        return driver

    return show


def wait_until(driver, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 60).until(lambda d: d.execute_script(f"return {script}"))


def texts(driver, selector: str) -> list[str]:
    return driver.execute_script(
        "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility())"
        ".map(e => e.textContent.trim())",
        selector,
    )


def press(driver, selector: str, *keys: str) -> None:
    from selenium.webdriver.common.by import By

    driver.find_element(By.CSS_SELECTOR, selector).send_keys(*keys)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_draws_its_charts_runs_no_text_and_says_nothing_on_the_console(page, kind):
    shown = page(kind)
    assert texts(shown, ".chart-problem") == []
    assert shown.execute_script("return window.broken") is None
    assert shown.execute_script("return document.images.length") == 0
    assert [e for e in shown.get_log("browser") if e["level"] in {"WARNING", "SEVERE"}] == []


@pytest.mark.parametrize("kind", KINDS)
def test_axe_core_finds_no_serious_violation(page, kind):
    """In the light theme by all of its rules, in the dark one by contrasts alone: only colours differ."""
    axe = pytest.importorskip("axe_core_python.base", reason="axe-core-python is not installed")
    shown = page(kind)
    shown.execute_script(axe.AXE_SCRIPT)
    for theme, rules, least in (("light", None, 11), ("dark", ["color-contrast"], 1)):
        shown.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
        found = shown.execute_async_script(
            "const [rules, done] = arguments; axe.run(rules ? {runOnly: rules} : {}).then(done)", rules
        )
        assert len(found["passes"]) >= least, "axe looked at nothing"
        serious = {
            v["id"]: [n["html"][:200] + str(n["any"][:1]) for n in v["nodes"]][:3]
            for v in found["violations"]
            if v["impact"] in {"serious", "critical"}
        }
        assert serious == {}, theme


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_scrolls_tables_and_not_the_page(page, driver, kind):
    shown = page(kind)
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert shown.execute_script("return document.documentElement.scrollWidth") == 390
    finally:
        shown.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_filtering_by_keyboard_leaves_the_rows_that_have_every_word(page):
    shown = page("front", "#tracks")
    press(shown, "[data-filters=tracks-table]", "t2 QUICK")
    assert texts(shown, "#tracks-table tbody th a") == ["t2"]
    assert texts(shown, "[data-counts=tracks-table]") == ["1 of 3"]
    assert len(texts(shown, ".matrix tbody th a")) == 3, "the other tables stay"
    press(shown, "[data-filters=tracks-table]", *["\ue003"] * 8)
    assert len(texts(shown, "#tracks-table tbody th a")) == 3


def test_a_view_has_an_address_of_its_own(page):
    shown = page("front", "#tracks")
    press(shown, "#matrix-data-1 thead th:nth-child(4) button", "\ue007")
    press(shown, "#matrix-data-1 thead th:nth-child(4) button", "\ue007")
    assert texts(shown, "#matrix-data-1 tbody th a") == ["t2", "t1"]
    press(shown, "[data-filters=tracks-table]", "t1")
    address = shown.execute_script("return location.hash")
    again = page("front", address)
    assert texts(again, "#tracks-table tbody th a") == ["t1"]
    assert texts(again, "#matrix-data-1 tbody th a") == ["t2", "t1"]
    assert again.execute_script("return document.querySelector('#matrix-data-1 [aria-sort=descending]').cellIndex") == 3


def test_a_hostile_address_sets_nothing_but_a_filter(page):
    shown = page("front", "#tracks&filter@tracks-table=%3Cimg src=x onerror=window.broken=1%3E&sort@nothing=1:up&x@y")
    assert shown.execute_script("return window.broken") is None
    assert texts(shown, "[data-counts=tracks-table]") == ["0 of 3"]


def test_search_finds_rules_and_tracks_by_any_of_their_words(page):
    """Catches a search that looks at cells alone: a rule whose short name stands in a heading is then found nowhere."""
    shown = page("front")
    press(shown, "#find", "readout-only")
    found = shown.execute_script("return [...document.querySelectorAll('#found a')].map(a => a.getAttribute('href'))")
    assert found == ["rules/readout-only.html", "tracks/t1.html", "tracks/t2.html"]
    press(shown, "#find", " nothing")
    assert (texts(shown, "#found a"), texts(shown, "#found-count")) == ([], ["0 found"])


def test_chips_leave_the_tables_of_their_data_and_open_them(page):
    """Catches chips that hide lines of a folded group and leave its empty heading, or two facets joined by "or"."""
    shown = page("front")
    press(shown, "#chips [data-is='Digits 8 × 8']", "\ue007")
    assert texts(shown, ".matrix tbody th a") == ["t1", "t2"]
    assert texts(shown, "#chips-count") == ["2 of 3 tables"]
    press(shown, "#chips [data-is='Digits 8 × 8']", "\ue007")
    assert len(texts(shown, ".matrix tbody th a")) == 3


def test_the_full_name_behind_a_heading_shows_on_focus(page):
    """Catches names that only a mouse can reach: a tap gives the heading's button the focus."""
    shown = page("front")
    button = "#matrix-data-1 thead th:nth-child(2) button"
    assert texts(shown, f"{button} .full") == []
    press(shown, button, "\ue007")
    assert texts(shown, f"{button} .full") == ["backprop"]


def test_the_theme_is_the_readers_and_stays(page):
    background = "return getComputedStyle(document.body).backgroundColor"
    shown = page("front")
    shown.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    try:
        dark = shown.execute_script(background)
        press(shown, "button.theme", "\ue007")
        light = shown.execute_script(background)
        assert (texts(shown, "button.theme"), light) == (["theme: light"], "rgb(255, 255, 255)")
        assert dark != light
        assert page("rules").execute_script(background) == light, "the choice is kept on other pages"
        press(shown, "button.theme", "\ue007")
        assert shown.execute_script(background) == dark
    finally:
        shown.execute_script("localStorage.clear(); delete document.documentElement.dataset.theme")
        shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_two_rules_are_chosen_and_compared(page):
    from selenium.webdriver.support.ui import Select

    shown = page("compare")
    for number, name in enumerate(("readout-only", "fa")):
        Select(shown.find_elements("css selector", ".chooser select")[number]).select_by_value(name)
    press(shown, ".chooser button", "\ue007")
    wait_until(shown, "location.pathname.endsWith('compare/fa/readout-only.html')")
    assert texts(shown, "#pair-table tbody th a") == ["t1", "t2"]
    assert texts(shown, "#pair-table .better")[0] == "22.00 ± 2.00"


def test_rules_that_share_no_track_are_told_so(page):
    from selenium.webdriver.support.ui import Select

    shown = page("compare")
    for select in shown.find_elements("css selector", ".chooser select"):
        Select(select).select_by_value("dfa")
    press(shown, ".chooser button", "\ue007")
    assert texts(shown, ".chooser output") == ["These two share no track."]


def test_curves_can_be_drawn_against_time_by_keyboard(page):
    shown = page("track")
    assert texts(shown, ".axes button") == ["epochs", "images seen", "training time"]
    press(shown, ".axes button:nth-child(3)", "\ue007")
    wait_until(shown, "document.querySelector('.axes').parentElement.querySelector('.chart[data-drawn]')")
    wait_until(
        shown, "document.querySelector('.axes').parentElement.textContent.includes('on the clock (s), cpu-8-core')"
    )
    assert texts(shown, ".axes [aria-pressed=true]") == ["training time"]


def test_downloads_hold_the_numbers_of_the_page(page, site):
    shown = page("track")
    links = shown.execute_script("return [...document.querySelectorAll('.downloads a')].map(a => a.href)")
    files = {link.rpartition(".")[2]: Path(link.removeprefix("file://")) for link in links}
    assert set(files) == {"csv", "json", "tex", "md"}
    cells = shown.execute_script(
        "return [...document.querySelectorAll('table.board > tbody')].map(b => ["
        "b.querySelector('.label').textContent, b.querySelector('td.strong').dataset.value])"
    )
    on_page = {rule: float(value) if value else None for rule, value in cells}
    from_csv = {
        row["rule"]: float(row["test_error_mean"]) if row["test_error_mean"] else None
        for row in csv.DictReader(io.StringIO(files["csv"].read_text(encoding="utf-8")))
    }
    from_json = {row["rule"]: row["test_error_mean"] for row in json.loads(files["json"].read_text())["rows"]}
    assert on_page == from_csv == from_json
    assert on_page["fa"] == pytest.approx(0.22)
    for kind in ("tex", "md"):
        assert all(f"{100 * mean:.2f}" in files[kind].read_text() for mean in on_page.values() if mean is not None)


def test_the_first_key_press_leads_past_the_navigation(page):
    shown = page("front")
    press(shown, "body", "\ue004")
    assert shown.execute_script("return document.activeElement.className") == "skip"
