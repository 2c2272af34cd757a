"""What a person does in the shop with a browser."""

from __future__ import annotations

import re
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.example_project import demo


def find(window: Chrome, css: str) -> Any:
    """Return the first such element, which may have to appear first."""
    return WebDriverWait(window, 10).until(lambda page: page.find_element(By.CSS_SELECTOR, css))


def go(window: Chrome, css: str) -> None:
    """Click on what leads to another page, and wait until that one stands in the place of this."""
    link = find(window, css)
    window.execute_script("window.isBeingLeft = true")
    link.click()
    # While one page gives way to the other, the browser has no answer.
    WebDriverWait(window, 10, ignored_exceptions=[WebDriverException]).until(
        lambda page: page.execute_script(
            "return !window.isBeingLeft && document.readyState === 'complete'"
        )
    )


def arrive(window: Chrome, path: str) -> None:
    """Wait until the browser is at an address of the shop."""
    WebDriverWait(window, 10).until(
        lambda page: page.current_url.partition("://")[2].partition("/")[2] == path[1:]
    )


def fill(window: Chrome, **fields: str) -> None:
    """Type into the fields with these names."""
    for name, text in fields.items():
        field = find(window, f"main [name={name}]")
        field.clear()
        field.send_keys(text)


def add_to_cart(window: Chrome) -> None:
    """Click the button and wait for the answer; a page that is left too early stops the request."""
    find(window, "#add-to-cart button").click()
    find(window, ".message.success")


def count_on_cart(window: Chrome) -> str:
    """Return the number beside the cart."""
    text: str = find(window, "#cart .count").text
    return text.split()[0]


def become_guest(window: Chrome, shop: demo.Demo) -> str:
    """Put two pieces into the cart as somebody new; return the guest's key."""
    window.get(shop.url)
    window.delete_all_cookies()
    before = set(shop.guests())
    for slug in ("enamel-mug", "diamond-kite"):
        window.get(f"{shop.url}/products/{slug}/")
        add_to_cart(window)
    (guest,) = set(shop.guests()) - before
    return guest


def code_from_mailbox(window: Chrome, shop: demo.Demo, address: str) -> str:
    """Read the newest mail in a tab of its own, as a person would, and return the code in it."""
    first = window.current_window_handle
    window.switch_to.new_window("tab")
    window.get(f"{shop.url}/mail/")
    mail = find(window, ".mail").text
    window.close()
    window.switch_to.window(first)
    assert address in mail
    found = re.search(r"^[A-Z0-9]+-[A-Z0-9]+$", mail, re.MULTILINE)
    assert found is not None, mail
    return found.group()


def place_order(window: Chrome) -> None:
    """Order what is in the cart, at the checkout."""
    go(window, "main form .button")
    find(window, ".crumb")
