"""Oracle: a reader in Chromium who has never seen the site, has five questions, and clicks twice at most for each.

The records are the accepted ones of a table of GEVB's paper, and made ones of two tasks of the core suite.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchsuite.api.papers import papers_of
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite_leaderboard.site import build_site
from tests.factories import make_seeds, make_timing

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

RECORDS = Path(__file__).resolve().parents[2] / "leaderboard" / "records" / "mnist-fc-vectorized-nonnegative"
IN_SIGHT = (
    "(line = e => e.innerText.replace(/\\s+/g, ' '), "
    "[...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()))"
)
"""In JavaScript: the elements of a selector that no fold hides; ``line`` is the text of one."""
CONV, DENSE = "core-cifar10-conv", "core-mnist-dense"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Path:
    registry = installed_registry()
    library = SpecLibrary([builtin_folder()], registry.study_specs)
    records = []
    for track, errors in {
        DENSE: {"backprop": 0.02, "kolen_pollack": 0.05, "direct_feedback_alignment": 0.03},
        CONV: {"backprop": 0.20, "kolen_pollack": 0.22, "direct_feedback_alignment": 0.35},
    }.items():
        for rule, error in errors.items():
            records += make_seeds(rule, [error, error + 0.001, error + 0.002], track=track)
    times = {"backprop": (4.0, 4.0), "kolen_pollack": (5.0, 5.0), "direct_feedback_alignment": (3.0, 3.0)}
    return build_site(
        [*records, RECORDS],
        tmp_path_factory.mktemp("board") / "site",
        timings=[make_timing(times, track=CONV)],
        papers=lambda cells: papers_of(cells, registry, library, pytest.fail),
    ).index


class Reader:
    """A reader on the front page, who sees what is not folded and clicks twice at most."""

    def __init__(self, browser: Chrome, front: Path) -> None:
        self.browser = browser
        self.clicks_left = 2
        browser.get("about:blank")
        browser.get(front.as_uri())

    def click(self, selector: str, words: str = "") -> None:
        assert self.clicks_left, "a third click"
        self.clicks_left -= 1
        self.find(selector, words).click()

    def find(self, selector: str, words: str = "") -> WebElement:
        """Return the first thing in sight that has these words, however they are broken into lines."""
        found = self.browser.execute_script(
            f"return {IN_SIGHT}.find(e => line(e).includes(arguments[1]))", selector, words
        )
        assert found, f"nothing in sight is a {selector!r} with the words {words!r}"
        return found

    def texts(self, selector: str) -> list[str]:
        """Return the text of all in sight, each as one line."""
        return self.browser.execute_script(f"return {IN_SIGHT}.map(line)", selector)

    def row_that_was_linked(self) -> str:
        """Return the selector of the row that the address names."""
        self.wait(lambda driver: "#row-" in driver.current_url)
        return f"tbody[id='{self.browser.current_url.partition('#')[2]}']"

    def wait(self, condition: Callable[[Chrome], object]) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 20).until(condition)


@pytest.fixture
def reader(browser: Chrome, front: Path) -> Reader:
    return Reader(browser, front)


def test_which_rule_is_nearest_to_backprop_on_cifar10_conv_and_at_what_cost(reader: Reader) -> None:
    """Catches a board that sorts by its first task only, and a cell that does not lead to its rule's cost."""
    reader.click("#board-table thead button", "CIFAR-10, conv")
    assert [name.split()[0] for name in reader.texts("#board-table tbody th")] == ["BP", "KP", "DFA"]
    reader.click("#board-table tbody td a", "+2.00")
    row = reader.row_that_was_linked()
    assert "Kolen-Pollack" in reader.find(f"{row} th").text
    cost = next(at for at, words in enumerate(reader.texts("table.board thead th"), 1) if words.startswith("Cost"))
    assert reader.texts(f"{row} > tr.main > :nth-child({cost})") == ["1.25 1.25 to 1.25"]


def test_was_table_1_of_gevb_reproduced(reader: Reader) -> None:
    """Catches a paper's page that counts values and leads to none, and a table that stays folded when linked to."""
    reader.click("header nav a", "papers")
    paper = "tbody[id='paper-clark-2021']"
    assert "2 of 96: Tables 1 (MNIST)" in reader.find(f"{paper} td:last-child").text
    reader.click(f"{paper} a", "2 of 96")
    reader.find("#values-gevb-tables tbody tr", "test error (%) 1.87")
    assert reader.find("#values-gevb-tables tbody tr", "test error (%) 1.87").text.endswith("−0.02")


def test_how_do_i_rerun_a_cell(reader: Reader) -> None:
    """Catches a cell without a way to its command, and a command that is not that of its row."""
    reader.click("#board-table tbody td a", "+2.00")
    row = reader.row_that_was_linked()
    reader.click(f"{row} summary", "command")
    command = reader.texts(f"{row} .command code")[0].split()
    assert command[:3] == ["benchsuite", "run", CONV]
    assert "kolen_pollack" in command


def test_which_rules_need_no_weight_transport(reader: Reader) -> None:
    """Catches a list of rules that knows the trait of audited ones alone: on a site without audits, of none."""
    reader.click("header nav a", "rules")
    reader.click("#rules-table thead button", "Weight transport")
    column = reader.texts("#rules-table thead th").index("Weight transport") + 1
    rules = reader.texts("#rules-table tbody th a")
    needs = [text.split()[0] for text in reader.texts(f"#rules-table tbody td:nth-child({column})")]
    assert needs == sorted(needs)
    needed = dict(zip(rules, needs, strict=True))
    assert {needed[rule] for rule in ("Global error-vector broadcasting", "Feedback alignment")} == {"no"}
    assert {needed[rule] for rule in ("Backprop", "Sign symmetry")} == {"yes"}


def test_how_do_i_cite_this(reader: Reader) -> None:
    """Catches a link that ends beside the citation, out of the reader's sight."""
    reader.click("footer a", "Cite")
    in_sight = "const box = arguments[0].getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight"
    reader.wait(lambda driver: driver.execute_script(in_sight, reader.find("#about pre", "@software{benchsuite,")))
