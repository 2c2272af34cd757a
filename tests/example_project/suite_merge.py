"""The returning customer of the shop: two HTTP calls, three carts to choose from; run by ``test_run.py``."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client

from anonauth.models import MergeRecord
from example_project.accounts.models import User
from example_project.shop import cart, demo_data
from example_project.shop.models import MAX_QUANTITY, Order, Product, Review

pytestmark = pytest.mark.django_db

CART = "shop.CartItem.user"
WISHES = "shop.Product.wished_by"
EMAIL = "robin@example.com"
OUTCOMES = {
    "combine": {"mug": 5, "kite": 1, "boots": 1},
    "keep_anonymous": {"mug": 2, "kite": 1},
    "keep_existing": {"mug": 3, "boots": 1},
}


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def shelf() -> dict[str, Product]:
    made = (
        Product.objects.create(name=slug, slug=slug, price="14.00", stock=50, picture="x.svg")
        for slug in ("mug", "kite", "boots", "boat")
    )
    return {product.slug: product for product in made}


@pytest.fixture
def customer(shelf: dict[str, Product]) -> User:
    user = demo_data.account(EMAIL)
    fill(user, shelf, mug=3, boots=1)
    user.wish_list.add(shelf["boat"])
    return user


def fill(user: User, shelf: dict[str, Product], **quantities: int) -> None:
    for slug, quantity in quantities.items():
        cart.add(user=user, product=shelf[slug], quantity=quantity)


def cart_of(user: User) -> dict[str, int]:
    return dict(user.cart_items.values_list("product__slug", "quantity"))


def post(path: str, body: Any = None, *, access: str = "") -> Any:
    headers = {"Authorization": f"Bearer {access}"} if access else {}
    return Client().post(path, body or {}, content_type="application/json", headers=headers)


class App:
    """A client with tokens, whose guest signs in to an account by password."""

    def __init__(self, shelf: dict[str, Product]) -> None:
        body = post("/auth/anonymous/").json()
        self.refresh = body["refresh"]
        self.guest = User.objects.get(pk=body["user"]["id"])
        fill(self.guest, shelf, mug=2, kite=1)

    def sign_in(self) -> None:
        answer = post("/auth/token/", {"email": EMAIL, "password": demo_data.PASSWORD})
        assert answer.status_code == 200, answer.content
        self.access = answer.json()["access"]

    def call(self, path: str, cart: str | None = None) -> Any:
        choices = {} if cart is None else {CART: cart}
        body = {"refresh": self.refresh, "choices": choices}
        return post(f"/auth/{path}", body, access=self.access)


@pytest.fixture
def app(customer: User, shelf: dict[str, Product]) -> App:
    app = App(shelf)
    app.sign_in()
    return app


@pytest.mark.parametrize("choice", OUTCOMES)
def test_two_calls_and_one_of_three_choices_settle_the_carts(
    choice: str, app: App, customer: User
) -> None:
    seen = app.call("merge/preview/")
    assert seen.status_code == 200
    (relation,) = seen.json()["relations"]
    assert set(relation["choices"]) == set(OUTCOMES)
    assert cart_of(customer) == {"mug": 3, "boots": 1}

    done = app.call("merge/", cart=choice)
    assert done.status_code == 200
    assert cart_of(customer) == OUTCOMES[choice]
    assert not User.objects.filter(pk=app.guest.pk).exists()


def test_the_preview_tells_the_numbers_of_the_choice_that_is_made_then(app: App) -> None:
    for choice in OUTCOMES:
        (seen,) = app.call("merge/preview/", cart=choice).json()["relations"]
        assert (seen["name"], seen["label"], seen["rule"]) == (CART, "Cart", choice)
        assert (seen["anonymous"], seen["existing"]) == (2, 2)
    last = seen
    assert app.call("merge/", cart=choice).json()["relations"] == [last]


def test_without_a_choice_both_carts_become_one(app: App, customer: User) -> None:
    assert app.call("merge/").status_code == 200
    assert cart_of(customer) == OUTCOMES["combine"]


def test_two_full_carts_add_up_to_what_one_customer_can_have(
    app: App, customer: User, shelf: dict[str, Product]
) -> None:
    fill(customer, shelf, mug=MAX_QUANTITY - 3)
    assert app.call("merge/", cart="combine").status_code == 200
    assert cart_of(customer)["mug"] == MAX_QUANTITY


def test_wishes_are_joined_and_orders_move(
    app: App, customer: User, shelf: dict[str, Product]
) -> None:
    app.guest.wish_list.add(shelf["boat"], shelf["kite"])
    # The shop lets no guest order; whoever lets him keeps the order.
    order = Order.objects.create(user=app.guest, total=1)
    assert app.call("merge/").status_code == 200
    assert set(customer.wish_list.values_list("slug", flat=True)) == {"boat", "kite"}
    order.refresh_from_db()
    assert order.user == customer


def test_the_reviews_of_the_account_stay_and_others_come_along(
    app: App, customer: User, shelf: dict[str, Product]
) -> None:
    for user, slug, text in (
        (customer, "mug", "Old."),
        (app.guest, "mug", "New."),
        (app.guest, "kite", "Flies."),
    ):
        Review.objects.create(user=user, product=shelf[slug], rating=4, text=text)
    assert app.call("merge/").status_code == 200
    found = customer.reviews.values_list("product__slug", "text")
    assert dict(found) == {"mug": "Old.", "kite": "Flies."}
    assert Review.objects.count() == 2


def test_only_the_cart_is_the_customers_choice(app: App, customer: User) -> None:
    answer = post(
        "/auth/merge/",
        {"refresh": app.refresh, "choices": {"shop.Order.user": "keep_existing"}},
        access=app.access,
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert cart_of(customer) == {"mug": 3, "boots": 1}
    assert app.guest.cart_items.count() == 2


def test_each_relation_of_the_shop_has_its_rule() -> None:
    of_merges = re.compile(r"anonauth\.[EW]4\d\d")
    found = [str(message.id) for message in run_checks(tags=["anonauth"], databases=[])]
    assert [number for number in found if of_merges.fullmatch(number)] == []


# The page after allauth's login


@pytest.fixture
def window(customer: User, shelf: dict[str, Product]) -> Client:
    """A browser in which a guest has just signed in to the account, on his way to the checkout."""
    client = Client()
    for slug, quantity in (("mug", 2), ("kite", 1)):
        client.post("/cart/add/", {"product": shelf[slug].pk, "quantity": quantity})
    client.post("/wish-list/add/", {"product": shelf["boat"].pk})
    return client


def sign_in(client: Client) -> str:
    sent = {"login": EMAIL, "password": demo_data.PASSWORD, "next": "/checkout/"}
    answer = client.post("/accounts/login/", sent)
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def decide(client: Client, user: User, action: str, cart: str = "") -> Any:
    sent = {"account": str(user.pk), "next": "/checkout/", "action": action, CART: cart}
    return client.post("/auth/merge/offer/", sent, follow=True)


def test_the_login_leads_to_the_page_with_the_three_carts(window: Client, customer: User) -> None:
    location = sign_in(window)
    page = window.get(location).content.decode()
    for text in ("Both", "The cart here", "The cart in my account", "7 pieces", "3 pieces"):
        assert text in page
    assert "4 pieces" in page
    assert "Wish list:</strong> 1 thing" in page
    assert "(1 of them your account has already)" in page
    assert "shop.css" in page
    assert cart_of(customer) == {"mug": 3, "boots": 1}


@pytest.mark.parametrize("choice", OUTCOMES)
def test_the_page_does_what_was_chosen_and_says_so(
    choice: str, window: Client, customer: User
) -> None:
    sign_in(window)
    answer = decide(window, customer, "merge", cart=choice)
    assert answer.redirect_chain == [("/checkout/", 302)]
    assert b"Welcome back." in answer.content
    assert cart_of(customer) == OUTCOMES[choice]
    assert not User.objects.guests().exists()
    assert MergeRecord.objects.get().account_id == customer.pk


def test_whoever_leaves_his_things_behind_is_told_what_becomes_of_them(
    window: Client, customer: User
) -> None:
    sign_in(window)
    guest = User.objects.guests().get()
    answer = decide(window, customer, "decline")
    assert answer.redirect_chain == [("/checkout/", 302)]
    assert guest.purge_at is not None
    assert f"erased after {guest.purge_at:%B} {guest.purge_at.day}" in answer.content.decode()
    assert cart_of(customer) == {"mug": 3, "boots": 1}
    assert cart_of(guest) == {"mug": 2, "kite": 1}
    # And is not asked again.
    assert window.get("/auth/merge/offer/").status_code == 302


def test_whoever_goes_on_without_an_answer_is_led_back_to_the_question(
    window: Client, customer: User
) -> None:
    banner = b'href="/auth/merge/offer/?next=%2Fcart%2F">Take it along?'
    assert b"offer-banner" not in window.get("/cart/").content
    asked = sign_in(window)
    assert banner in window.get("/cart/").content
    assert b"offer-banner" not in window.get(asked).content
    decide(window, customer, "decline")
    assert b"offer-banner" not in window.get("/cart/").content


def test_whoever_does_not_know_the_account_goes_back_to_being_a_guest(
    window: Client, customer: User
) -> None:
    sign_in(window)
    guest = User.objects.guests().get()
    answer = decide(window, customer, "return")
    assert b"You are a guest again" in answer.content
    assert window.get("/cart/").context["user"] == guest
    assert cart_of(guest) == {"mug": 2, "kite": 1}


def test_an_empty_cart_in_the_account_is_no_choice(window: Client, customer: User) -> None:
    customer.cart_items.all().delete()
    page = window.get(sign_in(window)).content.decode()
    assert "radio" not in page
    assert "Cart:</strong> 3 pieces" in page
    assert b"Your cart came along." in decide(window, customer, "merge").content
    assert cart_of(customer) == {"mug": 2, "kite": 1}


def test_the_customer_of_the_demo_has_a_cart_to_choose_from() -> None:
    demo_data.load()
    customer = User.objects.get(email=demo_data.CUSTOMER)
    assert customer.cart_items.count() == len(demo_data.CART)
    customer.cart_items.all().delete()  # ordered, say
    demo_data.load()
    assert not customer.cart_items.exists()
