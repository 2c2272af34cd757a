"""A member of the staff with a browser in the shop's admin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.example_project import demo
from tests.example_project.steps import find, go

pytestmark = [pytest.mark.demo, pytest.mark.slow]
# As the demo prints them.
STAFF, PASSWORD = "staff@example.com", "salt-and-seagulls"
STATISTICS = "/admin/anonauth/dailytally/"


@pytest.fixture(scope="module")
def server() -> Iterator[demo.Demo]:
    with demo.running(demo.free_port()) as shop:
        yield shop


@pytest.fixture
def shop(server: demo.Demo) -> demo.Demo:
    """Give the running shop."""
    return server


def log_in(window: Chrome, shop: demo.Demo, path: str) -> None:
    window.get(f"{shop.url}/admin/login/?next={path}")
    find(window, "#id_username").send_keys(STAFF)
    find(window, "#id_password").send_keys(PASSWORD)
    go(window, "input[type=submit]")
    find(window, "#user-tools")


def everybody(shop: demo.Demo) -> set[str]:
    """Return the keys of all guests, also of those that the demo made up."""
    return {row[0] for row in shop.rows("SELECT id FROM accounts_user WHERE is_anonymous")}


def contrast(window: Chrome, selector: str, other: str) -> float:
    """Return the contrast of two colors that the browser computed, as WCAG 2 defines it."""
    script = """
        const parts = (selector) => {
          const style = getComputedStyle(document.querySelector(selector));
          const color = selector.includes("svg") ? style.fill : style.backgroundColor;
          return color.match(/[\\d.]+/g).slice(0, 3).map(Number);
        };
        const light = (rgb) => rgb
          .map((c) => c / 255)
          .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
          .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const [a, b] = [light(parts(arguments[0])), light(parts(arguments[1]))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    """
    found: float = window.execute_script(script, selector, other)
    return found


@pytest.mark.parametrize("kind", ["browser", "phone"])
def test_the_statistics_can_be_read_in_both_themes_and_on_a_phone(
    kind: str, shop: demo.Demo, request: pytest.FixtureRequest
) -> None:
    window: Chrome = request.getfixturevalue(kind)
    log_in(window, shop, STATISTICS)
    sideways = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    for theme in ("light", "dark"):
        window.execute_script(
            "localStorage.setItem('theme', arguments[0])", theme
        )  # what the button at the top of the admin does
        for days in (7, 30, 90):
            window.get(f"{shop.url}{STATISTICS}?days={days}")
            assert window.execute_script("return document.documentElement.dataset.theme") == theme
            assert not window.execute_script(sideways), (theme, days)
        for series in ("s1", "s2", "s4", "s7"):
            bar = f".anonauth-chart svg .bar.{series}"
            assert contrast(window, bar, "body") >= 3, (theme, series)
    charts = window.find_elements(By.CSS_SELECTOR, ".anonauth-plot svg")
    assert len(charts) == 5
    assert all(chart.is_displayed() and chart.size["width"] > 200 for chart in charts)
    find(window, ".anonauth-numbers summary").click()
    assert len(window.find_elements(By.CSS_SELECTOR, ".anonauth-numbers tbody tr")) == 90
    assert not window.execute_script(sideways)
    faults = [entry for entry in window.get_log("browser") if "favicon" not in entry["message"]]
    assert faults == []


def test_staff_purges_one_guest_after_having_seen_what_goes(
    browser: Chrome, shop: demo.Demo
) -> None:
    before = everybody(shop)
    log_in(browser, shop, "/admin/accounts/user/?is_guest__exact=1&o=-3")
    box = find(browser, "#result_list .action-select")
    key = str(box.get_dom_attribute("value")).replace("-", "")
    box.click()
    Select(find(browser, "select[name=action]")).select_by_value("purge_selected")
    go(browser, "button[name=index]")
    assert find(browser, "#content h1").text == "Purge guests"
    assert everybody(shop) == before
    go(browser, "#content form input[type=submit]")
    assert find(browser, ".messagelist .success").text == "1 guest was purged."
    assert before - everybody(shop) == {key}


def test_staff_upgrades_a_guest_with_an_address(browser: Chrome, shop: demo.Demo) -> None:
    log_in(browser, shop, "/admin/accounts/user/?is_guest__exact=1")
    box = find(browser, "#result_list .action-select")
    key = str(box.get_dom_attribute("value")).replace("-", "")
    box.click()
    Select(find(browser, "select[name=action]")).select_by_value("upgrade_selected")
    go(browser, "button[name=index]")
    find(browser, "#id_email").send_keys("by-phone-call@example.com")
    go(browser, "#content form input[type=submit]")
    assert "is a permanent user now" in find(browser, ".messagelist .success").text
    assert not shop.is_guest(key)
    assert shop.user_with_address("by-phone-call@example.com") == key
