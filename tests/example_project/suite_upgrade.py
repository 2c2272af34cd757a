"""The stories of guests who become customers, over HTTP; run with the shop's own settings by ``test_run.py``."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from example_project.accounts.models import User
from example_project.shop.demo_data import account
from example_project.shop.models import Order, Product

pytestmark = pytest.mark.django_db

NEW = "new@example.com"
PASSWORD = "gulls-and-salt-42"


@pytest.fixture(autouse=True)
def development(settings: Any) -> None:
    # The template of the mailbox hint and the dummy provider; the test runner turns it off.
    settings.DEBUG = True


@pytest.fixture
def mug() -> Product:
    return Product.objects.create(
        name="Mug", slug="mug", price="14.00", stock=5, picture="shop/pictures/enamel-mug.svg"
    )


def code_in_mail(address: str = NEW) -> str:
    message = mail.outbox[-1]
    assert message.to == [address]
    found = re.search(r"^\s*([A-Z0-9]+-[A-Z0-9]+)\s*$", str(message.body), re.MULTILINE)
    assert found is not None, message.body
    return found.group(1)


# --- through the API


class App:
    """A native client: it has a guest's tokens and no cookies."""

    def __init__(self) -> None:
        self.access = ""
        answer = self("POST", "/auth/anonymous/")
        self.access = answer["access"]
        self.refresh = answer["refresh"]
        self.id = answer["user"]["id"]

    def __call__(self, method: str, path: str, body: Any = None, *, status: int = 0) -> Any:
        headers = {"Authorization": f"Bearer {self.access}"} if self.access else {}
        answer = Client(headers=headers).generic(
            method, path, json.dumps(body or {}), "application/json"
        )
        assert answer.status_code == status if status else answer.status_code < 400, answer.content
        return answer.json() if answer.content else None


@pytest.fixture
def app(mug: Product) -> App:
    """Return a client whose guest has two mugs in the cart."""
    client = App()
    client("POST", "/api/cart/items/", {"product": mug.pk, "quantity": 2})
    client("POST", "/api/orders/", status=403)
    return client


def assert_customer(app: App, answer: Any) -> None:
    """The old tokens are dead, and with the new ones the same user orders what was in the cart."""
    assert (answer["user"]["id"], answer["user"]["is_anonymous"]) == (app.id, False)
    app("GET", "/api/cart/", status=401)
    app("POST", "/auth/token/refresh/", {"refresh": app.refresh}, status=401)
    app.access = answer["access"]
    assert app("POST", "/api/orders/", status=201)["total"] == "28.00"
    user = User.objects.get()
    assert str(user.pk) == app.id
    assert not user.is_guest
    assert user.orders.get().lines.get().quantity == 2
    assert not user.cart_items.exists()


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_an_app_upgrades_its_guest_by_mail_and_orders_the_cart(
    app: App, password: str | None
) -> None:
    body = {"email": NEW} if password is None else {"email": NEW, "password": password}
    app("POST", "/auth/upgrade/email/", body, status=202)
    assert User.objects.get().is_guest
    answer = app("POST", "/auth/upgrade/email/verify/", {"code": code_in_mail()}, status=200)

    assert_customer(app, answer)
    assert answer["user"]["email"] == NEW
    assert User.objects.get().has_usable_password() is (password is not None)


def test_a_page_with_a_session_upgrades_its_guest_and_orders_the_cart(mug: Product) -> None:
    client = Client()
    client.post("/cart/add/", {"product": mug.pk, "quantity": 2})
    guest = User.objects.get()
    json_type = "application/json"
    answer = client.post("/auth/upgrade/email/", {"email": NEW}, json_type)
    assert answer.status_code == 202
    answer = client.post("/auth/upgrade/email/verify/", {"code": code_in_mail()}, json_type)
    assert answer.status_code == 200
    assert client.post("/api/orders/", content_type=json_type).status_code == 201
    assert Order.objects.get().user == guest


def test_an_app_goes_through_the_browser_to_a_provider_and_orders_the_cart(app: App) -> None:
    verifier = "a-verifier-that-the-app-made-up-and-keeps-to-itself"
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    start = {"redirect_uri": "saltbox://upgraded", "code_challenge": challenge}
    url = app("POST", "/auth/upgrade/social/dummy/start/", start)["url"]

    browser = Client()
    at_provider = browser.get(url)["Location"]
    person = {"id": 1, "email": NEW, "email_verified": "on"}
    back = browser.post(at_provider, person)["Location"]
    assert back.startswith("saltbox://upgraded?code=")
    assert browser.get("/account/").status_code == 302  # it is signed in as nobody

    (code,) = parse_qs(urlsplit(back).query)["code"]
    finish = {"code": code, "code_verifier": verifier}
    answer = app("POST", "/auth/upgrade/social/dummy/finish/", finish)
    assert_customer(app, answer)
    assert {identity["type"] for identity in answer["user"]["identities"]} == {"email", "social"}


def test_an_address_of_somebody_else_leaves_the_guest_and_the_cart(app: App) -> None:
    owner = account(NEW)
    app("POST", "/auth/upgrade/email/", {"email": NEW}, status=202)
    body = {"code": code_in_mail()}
    refusal = app("POST", "/auth/upgrade/email/verify/", body, status=409)

    assert refusal["code"] == "email_taken"
    assert app("GET", "/auth/user/")["is_anonymous"] is True
    assert app("GET", "/api/cart/")["total"] == "28.00"
    assert EmailAddress.objects.get().user == owner


def test_a_client_reads_which_ways_there_are(app: App) -> None:
    offered = app("GET", "/auth/settings/")["upgrade_methods"]
    assert offered == ["email", "social:dummy"]
    assert app("GET", "/auth/user/")["upgrade_methods"] == offered


# --- through the pages


@pytest.fixture
def shopper(mug: Product) -> Client:
    """Return the browser of a guest with a mug in the cart."""
    client = Client()
    client.post("/cart/add/", {"product": mug.pk, "quantity": 1})
    return client


def upgrade_by_mail(client: Client) -> Any:
    client.post("/accounts/email/", {"action_add": "", "email": NEW})
    return client.post("/accounts/confirm-email/", {"code": code_in_mail()}, follow=True)


def test_the_page_offers_the_ways_that_work(shopper: Client) -> None:
    page = shopper.get("/keep/?next=/checkout/").content.decode()
    assert 'action="/accounts/email/"' in page
    assert 'href="/accounts/signup/?next=/keep/"' in page
    assert 'action="/accounts/dummy/login/?process=connect&amp;next=%2Fkeep%2F"' in page
    assert "OpenID" not in page
    assert "The 1 piece in your cart will come along." in page


def test_who_set_out_from_the_checkout_comes_back_to_it(shopper: Client) -> None:
    guest = User.objects.get()
    shopper.get("/keep/?next=/checkout/")
    answer = upgrade_by_mail(shopper)

    assert answer.redirect_chain[-1] == ("/checkout/", 302)
    page = answer.content.decode()
    assert page.count('class="message ') == 1
    assert "Your cart and your wish list came along." in page
    shopper.post("/checkout/")
    assert Order.objects.get().user == guest
    # He is welcomed once.
    assert "came along" not in shopper.get("/keep/", follow=True).content.decode()


def test_the_way_back_from_an_upgrade_leads_to_no_other_site(shopper: Client) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/"):
        shopper.get("/keep/", {"next": elsewhere})
    assert upgrade_by_mail(shopper).redirect_chain[-1] == ("/account/", 302)
    for elsewhere in ("https://evil.example/", "//evil.example/"):
        assert shopper.get("/keep/", {"next": elsewhere})["Location"] == "/account/"


def test_who_upgrades_without_the_page_is_served_as_by_allauth(shopper: Client) -> None:
    assert upgrade_by_mail(shopper).status_code == 200
    assert not User.objects.get().is_guest


def test_a_guest_is_shown_his_cart_on_the_pages_that_take_him_for_a_visitor(
    shopper: Client,
) -> None:
    for path in ("/accounts/login/", "/accounts/signup/", "/accounts/login/code/"):
        answer = shopper.get(path)
        assert answer.status_code == 200, path
        assert 'class="count">1' in answer.content.decode(), path
        assert "come along" in answer.content.decode(), path
        assert b"come along" not in Client().get(path).content, path


def test_who_signs_in_to_another_account_is_asked_and_the_guest_is_as_he_was(
    shopper: Client, mug: Product
) -> None:
    guest = User.objects.get()
    owner = account("robin@example.com", password=PASSWORD)
    shopper.get("/keep/?next=/checkout/")
    fields = {"login": owner.email, "password": PASSWORD}
    answer = shopper.post("/accounts/login/?next=/cart/", fields, follow=True)

    assert answer.redirect_chain[-1][0] == "/auth/merge/offer/?next=%2Fcart%2F"
    assert b"Your cart is empty" in shopper.get("/cart/").content
    guest.refresh_from_db()
    assert guest.is_guest
    assert guest.cart_items.get().product == mug
    # What the guest's session knew is gone with it.
    assert b"came along" not in shopper.get("/keep/", follow=True).content


def test_the_mail_with_the_code_names_the_shop_and_nothing_of_the_guest(shopper: Client) -> None:
    shopper.post("/accounts/email/", {"action_add": "", "email": NEW})
    message = mail.outbox[-1]
    assert message.subject == "Saltbox: Your code"
    assert "Guest" not in str(message.body)
    assert User.objects.get().username not in str(message.body)


def test_a_wrong_code_keeps_the_guest_and_the_cart(shopper: Client) -> None:
    shopper.post("/accounts/email/", {"action_add": "", "email": NEW})
    assert (
        b"Incorrect code" in shopper.post("/accounts/confirm-email/", {"code": "AAAA-AAAA"}).content
    )
    assert User.objects.get().is_guest
    assert 'class="count">1' in shopper.get("/").content.decode()


def test_the_account_page_lists_how_one_signs_in(shopper: Client) -> None:
    upgrade_by_mail(shopper)
    page = shopper.get("/account/").content.decode()
    assert NEW in page
    assert "Set a password" in page
    user = User.objects.get()
    user.set_password(PASSWORD)
    user.save()
    shopper.force_login(user, "django.contrib.auth.backends.ModelBackend")
    assert "Change the password" in shopper.get("/account/").content.decode()


def test_an_upgraded_customer_can_add_a_second_factor(shopper: Client) -> None:
    upgrade_by_mail(shopper)
    assert shopper.get("/accounts/2fa/").status_code == 200
    page = shopper.get("/accounts/2fa/totp/activate/", follow=True)
    assert page.status_code == 200
    # Since 65.22 allauth first asks for a code by mail, where there is no password to ask for.
    assert page.request["PATH_INFO"].startswith(
        ("/accounts/2fa/totp/", "/accounts/reauthenticate/")
    )
