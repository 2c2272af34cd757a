"""The returning customer, in a real browser: a guest with a cart signs in to an account that has one too."""

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

pytestmark = [pytest.mark.demo, pytest.mark.slow]

CUSTOMER = "customer@example.com"
PASSWORD = "salt-and-seagulls"
HERE = {"Enamel mug": 1, "Diamond kite": 1}
THERE = {"Enamel mug": 1, "Wool blanket": 1}
BOTH = {"Enamel mug": 2, "Diamond kite": 1, "Wool blanket": 1}
WISHES = {"Storm lantern", "Brass compass"}
SIDEWAYS = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def server() -> Iterator[demo.Demo]:
    with demo.running(demo.free_port()) as running:
        yield running


@pytest.fixture
def shop(server: demo.Demo) -> demo.Demo:
    """Give the running shop, with the customer's cart and wish list as the demo has them."""
    key = customer(server)
    server.execute(
        f"DELETE FROM shop_cartitem WHERE user_id = '{key}'",
        f"DELETE FROM shop_product_wished_by WHERE user_id = '{key}'",
        "DELETE FROM shop_orderline",
        "DELETE FROM shop_order",
        "INSERT INTO shop_cartitem (user_id, product_id, quantity, added_at)"
        f" SELECT '{key}', id, 1, datetime() FROM shop_product WHERE name IN {tuple(THERE)}",
        "INSERT INTO shop_product_wished_by (user_id, product_id)"
        f" SELECT '{key}', id FROM shop_product WHERE name IN {tuple(WISHES)}",
    )
    return server


def customer(shop: demo.Demo) -> str:
    return shop.user_with_address(CUSTOMER)


def cart_of(shop: demo.Demo, key: str) -> dict[str, int]:
    return dict(shop.cart_of(key))


def wishes_of(shop: demo.Demo, key: str) -> set[str]:
    rows = shop.rows(
        "SELECT name FROM shop_product JOIN shop_product_wished_by"
        f" ON shop_product.id = product_id WHERE user_id = '{key}'"
    )
    return {name for (name,) in rows}


def set_out(window: Chrome, shop: demo.Demo) -> str:
    """Fill cart and wish list as a guest and want to check out; return the guest's key."""
    guest = become_guest(window, shop)
    window.get(f"{shop.url}/products/tin-bucket/")
    go(window, "form[action='/wish-list/add/'] button")
    find(window, ".message.success")
    window.get(f"{shop.url}/cart/")
    go(window, "a[href='/checkout/']")
    go(window, "a[href^='/accounts/login/']")
    assert "what shall come along" in find(window, ".notice").text
    return guest


def sign_in(window: Chrome) -> None:
    """Sign in with the customer's password, and be asked."""
    fill(window, login=CUSTOMER, password=PASSWORD)
    go(window, "main form button")
    find(window, "#take-along")


def choose(window: Chrome, cart: str) -> None:
    """Take one of the three carts along."""
    find(window, f"#take-along [value={cart}]").click()
    go(window, "#take-along [value=merge]")


def assert_merged(
    window: Chrome, shop: demo.Demo, guest: str, cart: dict[str, int], message: str
) -> None:
    """Be at the checkout as the customer, with this cart and the guest's wishes; the guest is gone."""
    arrive(window, "/checkout/")
    assert message in find(window, ".message.success").text
    assert len(window.find_elements(By.CSS_SELECTOR, ".message")) == 1
    assert count_on_cart(window) == str(sum(cart.values()))
    assert not window.find_elements(By.ID, "guest-banner")
    assert cart_of(shop, customer(shop)) == cart
    assert wishes_of(shop, customer(shop)) == WISHES | {"Tin bucket"}
    assert guest not in shop.guests()
    assert shop.cart_of(guest) == []


@pytest.mark.parametrize("kind", ["browser", "phone"])
def test_a_guest_chooses_both_carts_finds_the_sum_and_orders_it(
    kind: str, shop: demo.Demo, request: pytest.FixtureRequest
) -> None:
    window: Chrome = request.getfixturevalue(kind)
    guest = set_out(window, shop)
    sign_in(window)
    assert window.execute_script(SIDEWAYS) == 0
    assert [e.text for e in window.find_elements(By.CSS_SELECTOR, ".option .sum strong")] == [
        "4 pieces",
        "2 pieces",
        "2 pieces",
    ]
    # Nothing has moved before the click.
    assert cart_of(shop, guest) == HERE
    assert cart_of(shop, customer(shop)) == THERE

    choose(window, "combine")
    assert_merged(window, shop, guest, BOTH, "Both carts are one now.")
    place_order(window)
    assert shop.orders_of(customer(shop)) == ["144.00"]
    assert window.get_log("browser") == []


@pytest.mark.parametrize(
    ("choice", "cart", "message"),
    [
        ("keep_anonymous", HERE, "the cart that you filled here"),
        ("keep_existing", THERE, "the cart of your account"),
    ],
)
def test_a_guest_chooses_one_of_both_carts(
    choice: str, cart: dict[str, int], message: str, browser: Chrome, shop: demo.Demo
) -> None:
    guest = set_out(browser, shop)
    sign_in(browser)
    choose(browser, choice)
    assert_merged(browser, shop, guest, cart, message)


def test_a_guest_leaves_everything_behind_and_reads_what_becomes_of_it(
    browser: Chrome, shop: demo.Demo
) -> None:
    guest = set_out(browser, shop)
    sign_in(browser)
    go(browser, "#take-along [value=decline]")
    arrive(browser, "/checkout/")
    assert "stays behind, and is erased after" in find(browser, ".message").text
    assert cart_of(shop, customer(shop)) == THERE
    assert wishes_of(shop, customer(shop)) == WISHES
    assert shop.is_guest(guest)
    assert cart_of(shop, guest) == HERE


def test_a_guest_who_does_not_know_the_account_goes_back_with_his_things(
    browser: Chrome, shop: demo.Demo
) -> None:
    guest = set_out(browser, shop)
    sign_in(browser)
    go(browser, "#take-along [value=return]")
    assert "a guest again" in find(browser, ".message").text
    browser.get(f"{shop.url}/cart/")
    assert find(browser, "#guest-banner").is_displayed()
    assert count_on_cart(browser) == "2"
    assert cart_of(shop, guest) == HERE
    assert cart_of(shop, customer(shop)) == THERE


def test_a_guest_who_signs_in_by_a_code_is_asked_too(browser: Chrome, shop: demo.Demo) -> None:
    guest = set_out(browser, shop)
    go(browser, "a[href^='/accounts/login/code/']")
    fill(browser, email=CUSTOMER)
    go(browser, "main form button")
    find(browser, "[name=code]")
    fill(browser, code=code_from_mailbox(browser, shop, CUSTOMER))
    go(browser, "main form button")
    find(browser, "#take-along")
    choose(browser, "combine")
    assert_merged(browser, shop, guest, BOTH, "Both carts are one now.")


def test_a_guest_who_signs_in_with_a_provider_is_asked_too(
    browser: Chrome, shop: demo.Demo
) -> None:
    # An account that was made with the provider, and has a cart.
    owner = become_guest(browser, shop)
    browser.get(f"{shop.url}/keep/")
    go(browser, "form[action^='/accounts/dummy/'] button")
    fill(browser, id="78", email="sandy@example.com")
    go(browser, "#at-provider button")
    arrive(browser, "/account/")

    guest = set_out(browser, shop)
    go(browser, "main [href^='/accounts/dummy/login/']")
    go(browser, "main form button")
    fill(browser, id="78", email="sandy@example.com")
    go(browser, "#at-provider button")
    find(browser, "#take-along")
    choose(browser, "combine")
    arrive(browser, "/checkout/")
    assert "Both carts are one now." in find(browser, ".message.success").text
    assert cart_of(shop, owner) == {"Enamel mug": 2, "Diamond kite": 2}
    assert wishes_of(shop, owner) == {"Tin bucket"}
    assert guest not in shop.guests()


def test_a_guest_who_proves_the_address_of_his_account_is_shown_the_way_to_it(
    browser: Chrome, shop: demo.Demo
) -> None:
    guest = become_guest(browser, shop)
    browser.get(f"{shop.url}/keep/")
    fill(browser, email=CUSTOMER)
    go(browser, "#by-email button")
    fill(browser, code=code_from_mailbox(browser, shop, CUSTOMER))
    go(browser, "main form button")
    assert "already registered" in find(browser, "main").text

    go(browser, "main a[href^='/accounts/login/']")
    sign_in(browser)
    choose(browser, "combine")

    arrive(browser, "/account/")
    assert cart_of(shop, customer(shop)) == BOTH
    assert guest not in shop.guests()
