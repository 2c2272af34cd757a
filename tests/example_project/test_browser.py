"""A person with a browser in the example shop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By

from tests.example_project import demo
from tests.example_project.steps import add_to_cart, count_on_cart, find, go

pytestmark = [pytest.mark.demo, pytest.mark.slow]


@pytest.fixture(scope="module")
def server() -> Iterator[demo.Demo]:
    with demo.running(demo.free_port()) as shop:
        yield shop


@pytest.fixture
def shop(server: demo.Demo) -> demo.Demo:
    """Give the running shop; each test looks at the guests that it made itself."""
    return server


def guests_since(shop: demo.Demo, before: list[str]) -> set[str]:
    return set(shop.guests()) - set(before)


def session_of(window: Chrome) -> str:
    cookie = window.get_cookie("sessionid")
    assert cookie is not None
    return str(cookie["value"])


@pytest.mark.parametrize("kind", ["browser", "phone"])
def test_a_visitor_fills_the_cart_and_is_the_same_guest_after_a_reload(
    kind: str, shop: demo.Demo, request: pytest.FixtureRequest
) -> None:
    window: Chrome = request.getfixturevalue(kind)
    before = shop.guests()
    window.get(f"{shop.url}/products/enamel-mug/")
    assert not window.find_elements(By.ID, "guest-banner")
    add_to_cart(window)
    assert "Keep them for good" in find(window, "#guest-banner").text
    session = session_of(window)
    window.refresh()
    assert find(window, "#guest-banner").is_displayed()
    assert count_on_cart(window) == "1"
    assert session_of(window) == session
    window.get(f"{shop.url}/products/storm-lantern/")
    add_to_cart(window)
    window.get(f"{shop.url}/cart/")
    names = [line.text for line in window.find_elements(By.CSS_SELECTOR, ".lines h2")]
    assert names == ["Enamel mug", "Storm lantern"]
    assert len(guests_since(shop, before)) == 1


def test_a_double_click_puts_one_piece_into_one_guests_cart(
    browser: Chrome, shop: demo.Demo
) -> None:
    before = shop.guests()
    browser.get(f"{shop.url}/products/tin-bucket/")
    ActionChains(browser).double_click(find(browser, "#add-to-cart button")).perform()
    find(browser, "#guest-banner")
    assert count_on_cart(browser) == "1"
    assert len(guests_since(shop, before)) == 1


def test_a_form_that_is_really_sent_many_times_makes_one_guest(
    browser: Chrome, shop: demo.Demo
) -> None:
    before = shop.guests()
    browser.get(f"{shop.url}/products/tin-bucket/")
    # Without cookies, as in a click that comes before the answer to the first one.
    browser.execute_async_script(
        """
        const done = arguments[0], form = document.querySelector("#add-to-cart");
        const send = () => fetch(form.action, {method: "POST", body: new FormData(form)});
        Promise.all([send(), send(), send(), send()]).then(() => done());
        """
    )
    assert len(guests_since(shop, before)) == 1


def test_a_tab_that_was_opened_before_the_first_click_still_works(
    browser: Chrome, shop: demo.Demo
) -> None:
    before = shop.guests()
    browser.get(f"{shop.url}/products/enamel-mug/")
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    browser.get(f"{shop.url}/products/diamond-kite/")
    add_to_cart(browser)
    browser.switch_to.window(first)
    add_to_cart(browser)
    assert count_on_cart(browser) == "2"
    assert len(guests_since(shop, before)) == 1


def test_a_guest_who_checks_out_is_shown_the_ways_to_an_account(
    browser: Chrome, shop: demo.Demo
) -> None:
    orders = shop.rows("SELECT count(*) FROM shop_order")
    browser.get(f"{shop.url}/products/enamel-mug/")
    add_to_cart(browser)
    browser.get(f"{shop.url}/cart/")
    go(browser, "a[href='/checkout/']")
    assert find(browser, "h1").text == "This needs an account"
    assert find(browser, "#by-email button").is_displayed()
    assert shop.rows("SELECT count(*) FROM shop_order") == orders


def test_no_page_scrolls_sideways_on_a_phone(phone: Chrome, shop: demo.Demo) -> None:
    phone.get(f"{shop.url}/products/rain-boots/")
    add_to_cart(phone)
    for page in (
        "/",
        "/products/rain-boots/",
        "/cart/",
        "/wish-list/",
        "/account/",
        "/keep/?next=/checkout/",
        "/try/",
        "/mail/",
    ):
        phone.get(f"{shop.url}{page}")
        width = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert phone.execute_script(width) == 0, page


def test_the_browser_finds_no_fault_with_the_pages(browser: Chrome, shop: demo.Demo) -> None:
    for page in ("/", "/products/wool-blanket/", "/cart/", "/keep/", "/accounts/login/", "/mail/"):
        browser.get(f"{shop.url}{page}")
    assert browser.get_log("browser") == []
