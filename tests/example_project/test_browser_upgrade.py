"""A guest with a full cart makes it an account, in a real browser, in each way that the shop offers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.example_project import demo
from tests.example_project.steps import (
    arrive,
    become_guest,
    code_from_mailbox,
    count_on_cart,
    fill,
    find,
    go,
    place_order,
)
from tests.services import oidc

pytestmark = [pytest.mark.demo, pytest.mark.slow]

CART = [("Enamel mug", 1), ("Diamond kite", 1)]
TOTAL = "41.00"
PASSWORD = "gulls-and-salt-42"


@pytest.fixture(scope="module")
def provider() -> Iterator[oidc.OIDCProvider]:
    with oidc.server() as running:
        yield running


@pytest.fixture(scope="module")
def shop(provider: oidc.OIDCProvider) -> Iterator[demo.Demo]:
    variables = {
        "OIDC_SERVER_URL": provider.url,
        "OIDC_CLIENT_ID": oidc.CLIENT_ID,
        "OIDC_CLIENT_SECRET": "s",
    }
    with demo.running(demo.free_port(), **variables) as running:
        yield running


def want_to_order(window: Chrome, shop: demo.Demo) -> None:
    """Go from the cart to the checkout, and be sent to the ways to an account."""
    window.get(f"{shop.url}/cart/")
    go(window, "a[href='/checkout/']")
    assert find(window, "h1").text == "This needs an account"


def assert_kept_and_order(window: Chrome, shop: demo.Demo, guest: str, address: str) -> None:
    """Be back at the checkout as the same user with the same cart, and order it."""
    arrive(window, "/checkout/")
    assert find(window, ".message.success").text.startswith("You have an account now.")
    assert len(window.find_elements(By.CSS_SELECTOR, ".message")) == 1
    assert count_on_cart(window) == "2"
    assert not window.find_elements(By.ID, "guest-banner")
    assert shop.user_with_address(address) == guest
    assert not shop.is_guest(guest)
    assert shop.cart_of(guest) == CART
    place_order(window)
    assert shop.orders_of(guest) == [TOTAL]
    assert shop.cart_of(guest) == []
    window.get(f"{shop.url}/account/")
    assert address in find(window, "#identities").text


def assert_still_a_guest(window: Chrome, shop: demo.Demo, guest: str) -> None:
    window.get(f"{shop.url}/cart/")
    assert find(window, "#guest-banner").is_displayed()
    assert count_on_cart(window) == "2"
    assert shop.is_guest(guest)
    assert shop.cart_of(guest) == CART


@pytest.mark.parametrize("kind", ["browser", "phone"])
def test_a_guest_makes_an_account_with_a_code_by_mail_and_orders_his_cart(
    kind: str, shop: demo.Demo, request: pytest.FixtureRequest
) -> None:
    window: Chrome = request.getfixturevalue(kind)
    address = f"code.{kind}@example.com"
    guest = become_guest(window, shop)
    want_to_order(window, shop)

    fill(window, email=address)
    go(window, "#by-email button")
    find(window, "[name=code]")
    assert shop.is_guest(guest)
    fill(window, code=code_from_mailbox(window, shop, address))
    go(window, "main form button")

    assert_kept_and_order(window, shop, guest, address)


def test_a_guest_makes_an_account_with_the_form_for_a_password_and_orders_his_cart(
    browser: Chrome, shop: demo.Demo
) -> None:
    address = "password@example.com"
    guest = become_guest(browser, shop)
    want_to_order(browser, shop)

    go(browser, "a[href^='/accounts/signup/']")
    assert count_on_cart(browser) == "2"
    fill(browser, email=address, password1=PASSWORD, password2=PASSWORD)
    go(browser, "main form button")
    find(browser, "[name=code]")
    assert shop.is_guest(guest)
    fill(browser, code=code_from_mailbox(browser, shop, address))
    go(browser, "main form button")

    assert_kept_and_order(browser, shop, guest, address)
    browser.delete_all_cookies()
    browser.get(f"{shop.url}/accounts/login/")
    fill(browser, login=address, password=PASSWORD)
    go(browser, "main form button")
    arrive(browser, "/account/")


def test_a_guest_makes_an_account_with_the_dummy_provider_and_orders_his_cart(
    browser: Chrome, shop: demo.Demo
) -> None:
    address = "dummy@example.com"
    guest = become_guest(browser, shop)
    want_to_order(browser, shop)

    go(browser, "form[action^='/accounts/dummy/'] button")
    fill(browser, email=address)
    go(browser, "#at-provider button")

    assert_kept_and_order(browser, shop, guest, address)
    assert "Dummy" in find(browser, "#identities").text


def test_a_guest_makes_an_account_with_openid_connect_and_orders_his_cart(
    browser: Chrome, shop: demo.Demo, provider: oidc.OIDCProvider
) -> None:
    provider.reset()
    guest = become_guest(browser, shop)
    want_to_order(browser, shop)

    go(browser, "form[action^='/accounts/oidc/oidc/'] button")

    assert_kept_and_order(browser, shop, guest, str(provider.person["email"]))
    assert "Oidc" in find(browser, "#identities").text


def test_a_guest_whom_the_provider_sends_back_without_an_answer_keeps_everything(
    browser: Chrome, shop: demo.Demo, provider: oidc.OIDCProvider
) -> None:
    provider.reset()
    provider.mode = "deny"
    guest = become_guest(browser, shop)
    want_to_order(browser, shop)

    go(browser, "form[action^='/accounts/oidc/oidc/'] button")

    arrive(browser, "/accounts/3rdparty/login/cancelled/")
    assert "still a guest" in find(browser, "main").text
    assert_still_a_guest(browser, shop, guest)


def test_a_social_account_of_somebody_else_leaves_the_guest_as_he_is(
    browser: Chrome, shop: demo.Demo
) -> None:
    for _person in range(2):
        guest = become_guest(browser, shop)
        browser.get(f"{shop.url}/keep/")
        go(browser, "form[action^='/accounts/dummy/'] button")
        fill(browser, id="77", email="taken@example.com")
        go(browser, "#at-provider button")
        find(browser, ".message")

    assert "already connected to a different account" in find(browser, ".message.error").text
    assert find(browser, "#by-email").is_displayed()
    assert_still_a_guest(browser, shop, guest)


def test_a_guest_who_abandons_the_sign_up_keeps_everything(
    browser: Chrome, shop: demo.Demo
) -> None:
    guest = become_guest(browser, shop)
    browser.get(f"{shop.url}/accounts/signup/")
    fill(browser, email="nobody@example.com", password1=PASSWORD, password2=PASSWORD)
    go(browser, "main form button")
    find(browser, "[name=code]")
    assert_still_a_guest(browser, shop, guest)

    browser.get(f"{shop.url}/accounts/confirm-email/")
    go(browser, "[form=logout-from-stage]")
    find(browser, "[name=login]")
    assert_still_a_guest(browser, shop, guest)

    # And then he takes another way.
    want_to_order(browser, shop)
    fill(browser, email="somebody@example.com")
    go(browser, "#by-email button")
    find(browser, "[name=code]")
    fill(browser, code=code_from_mailbox(browser, shop, "somebody@example.com"))
    go(browser, "main form button")
    assert_kept_and_order(browser, shop, guest, "somebody@example.com")


def test_no_page_of_the_way_scrolls_sideways_on_a_phone(phone: Chrome, shop: demo.Demo) -> None:
    become_guest(phone, shop)
    width = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for page in (
        "/keep/?next=/checkout/",
        "/accounts/signup/",
        "/accounts/login/",
        "/accounts/login/code/",
        "/accounts/email/",
        "/accounts/3rdparty/",
        "/accounts/2fa/",
    ):
        phone.get(f"{shop.url}{page}")
        assert phone.execute_script(width) == 0, page
    phone.get(f"{shop.url}/keep/")
    go(phone, "form[action^='/accounts/dummy/'] button")
    find(phone, "#at-provider")
    assert phone.execute_script(width) == 0
    assert phone.get_log("browser") == []
