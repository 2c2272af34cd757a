"""The stories of the shop's pages; run with the shop's own settings by ``test_run.py``."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from anonauth.flows.upgrade import upgrade
from example_project.accounts.models import User
from example_project.shop import cart
from example_project.shop.models import CartItem, Order, Product, Review

pytestmark = pytest.mark.django_db

PAGES_OF_EVERYBODY = ("/", "/products/mug/", "/cart/", "/wish-list/", "/keep/", "/accounts/login/")
PAGES_OF_CUSTOMERS = ("/checkout/", "/orders/", "/products/mug/review/")


@pytest.fixture
def mug() -> Product:
    return Product.objects.create(
        name="Mug", slug="mug", price="14.00", stock=5, picture="shop/pictures/enamel-mug.svg"
    )


@pytest.fixture
def customer() -> User:
    return User.objects.create_user("robin@example.com", "robin@example.com")


@pytest.fixture
def as_customer(customer: User) -> Client:
    client = Client()
    client.force_login(customer, "django.contrib.auth.backends.ModelBackend")
    return client


def add(client: Client, product: Product, **fields: Any) -> Any:
    return client.post("/cart/add/", {"product": product.pk, "quantity": 1, **fields})


def test_looking_around_makes_nobody(client: Client, mug: Product) -> None:
    for page in PAGES_OF_EVERYBODY:
        assert client.get(page).status_code == 200, page
        assert client.head(page).status_code == 200, page
    for page in ("/cart/add/", "/wish-list/add/"):
        assert client.get(page, {"product": mug.pk, "quantity": 1}).status_code == 405
    assert not User.objects.exists()


def test_a_guest_s_cart_holds_ten_things_and_says_how_to_have_more(client: Client) -> None:
    products = [
        Product.objects.create(name=f"P{n}", slug=f"p{n}", price="1.00", stock=5) for n in range(11)
    ]
    for product in products:
        answer = add(client, product)

    assert CartItem.objects.count() == 10
    assert "holds 10 things" in client.get(answer["Location"]).content.decode()


def test_the_first_thing_in_the_cart_makes_the_visitor_a_guest(
    client: Client, mug: Product
) -> None:
    answer = add(client, mug, quantity=2)
    guest = User.objects.get()
    assert guest.is_guest
    assert not guest.has_usable_password()
    assert (answer.status_code, answer["Location"]) == (302, "/cart/")
    assert "no-store" in answer["Cache-Control"]
    assert list(guest.cart_items.values_list("product", "quantity")) == [(mug.pk, 2)]


def test_a_guest_comes_back_as_the_same_guest(client: Client, mug: Product) -> None:
    add(client, mug)
    add(client, mug, quantity=2)
    client.post("/wish-list/add/", {"product": mug.pk})
    guest = User.objects.get()
    assert guest.cart_items.get().quantity == 3
    assert list(guest.wish_list.all()) == [mug]


def test_a_wish_makes_the_visitor_a_guest(client: Client, mug: Product) -> None:
    client.post("/wish-list/add/", {"product": mug.pk})
    assert User.objects.get().is_guest
    client.post(f"/wish-list/{mug.pk}/remove/")
    assert not mug.wished_by.exists()


def test_two_posts_with_one_key_make_one_guest(mug: Product) -> None:
    key = str(uuid4())
    for client in (Client(), Client()):
        add(client, mug, idempotency_key=key)
    assert User.objects.get().cart_items.get().quantity == 2


@pytest.mark.parametrize(
    "fields",
    [{"product": 999}, {"product": "x"}, {"quantity": 0}, {"quantity": 21}, {"quantity": -1}],
)
def test_a_form_that_makes_no_sense_makes_nobody(
    client: Client, mug: Product, fields: dict[str, Any]
) -> None:
    sent = {"product": mug.pk, "quantity": 1, **fields}
    assert client.post("/cart/add/", sent).status_code == 302
    assert not User.objects.exists()


def test_the_banner_tells_a_guest_until_when_his_things_are_kept(
    client: Client, mug: Product
) -> None:
    assert b"guest-banner" not in client.get("/").content
    add(client, mug)
    kept_until = User.objects.get().purge_at
    page = client.get("/").content.decode()
    assert kept_until is not None
    assert "guest-banner" in page
    assert f"{kept_until:%B} {kept_until.day}" in page
    assert 'href="/keep/"' in page


def test_a_customer_sees_no_banner(as_customer: Client) -> None:
    assert b"guest-banner" not in as_customer.get("/").content


@pytest.mark.parametrize("page", PAGES_OF_CUSTOMERS)
def test_a_guest_is_sent_to_the_page_that_explains_accounts(
    client: Client, mug: Product, page: str
) -> None:
    add(client, mug)
    for answer in (client.get(page), client.post(page, {"rating": 5, "text": "Good."})):
        assert (answer.status_code, answer["Location"]) == (302, f"/keep/?next={page}")
    assert not Order.objects.exists()
    assert not Review.objects.exists()
    explained = client.get(f"/keep/?next={page}")
    assert b"This needs an account" in explained.content


@pytest.mark.parametrize("page", PAGES_OF_CUSTOMERS)
def test_a_visitor_is_sent_to_sign_in(client: Client, mug: Product, page: str) -> None:
    answer = client.get(page)
    assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={page}")


def test_a_customer_orders_what_is_in_the_cart(
    as_customer: Client, customer: User, mug: Product
) -> None:
    add(as_customer, mug, quantity=2)
    assert as_customer.get("/checkout/").status_code == 200
    answer = as_customer.post("/checkout/")
    order = customer.orders.get()
    assert answer["Location"] == f"/orders/{order.pk}/"
    assert str(order.total) == "28.00"
    assert list(order.lines.values_list("name", "quantity")) == [("Mug", 2)]
    assert not customer.cart_items.exists()
    mug.refresh_from_db()
    assert mug.stock == 3
    assert b"Order" in as_customer.get(answer["Location"]).content


def test_placing_the_order_again_orders_nothing(
    as_customer: Client, customer: User, mug: Product
) -> None:
    add(as_customer, mug)
    as_customer.post("/checkout/")
    assert as_customer.post("/checkout/")["Location"] == "/cart/"
    assert customer.orders.count() == 1


def test_an_order_is_shown_to_its_customer_only(as_customer: Client, mug: Product) -> None:
    other = User.objects.create_user("other@example.com")
    order = Order.objects.create(user=other, total=1)
    assert as_customer.get(f"/orders/{order.pk}/").status_code == 404


def test_a_customer_reviews_a_product_once(
    as_customer: Client, customer: User, mug: Product
) -> None:
    for text in ("Good.", "Better."):
        as_customer.post("/products/mug/review/", {"rating": 4, "text": text})
    assert customer.reviews.get().text == "Good."
    assert b"Good." in as_customer.get("/products/mug/").content


def test_somebody_elses_cart_cannot_be_changed(
    client: Client, as_customer: Client, customer: User, mug: Product
) -> None:
    item = cart.add(user=customer, product=mug, quantity=1)
    add(client, mug)
    assert client.post(f"/cart/items/{item.pk}/", {"quantity": 0}).status_code == 404
    assert Client().post(f"/cart/items/{item.pk}/", {"quantity": 0}).status_code == 404
    as_customer.post(f"/cart/items/{item.pk}/", {"quantity": 3})
    assert customer.cart_items.get().quantity == 3
    as_customer.post(f"/cart/items/{item.pk}/", {"quantity": 0})
    assert not customer.cart_items.exists()


def test_nobody_gets_more_than_there_is(client: Client, mug: Product) -> None:
    add(client, mug, quantity=4)
    answer = client.post("/cart/add/", {"product": mug.pk, "quantity": 2}, follow=True)
    assert b"only 5 of Mug left" in answer.content
    assert CartItem.objects.get().quantity == 4


def test_the_way_back_leads_to_no_other_site(client: Client, mug: Product) -> None:
    assert add(client, mug, next="/products/mug/")["Location"] == "/products/mug/"
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        assert add(client, mug, next=elsewhere)["Location"] == "/cart/"
    answer = client.get("/keep/", {"next": "https://evil.example/"})
    assert b"evil.example" not in answer.content


def test_the_way_back_is_no_name_of_a_view(as_customer: Client, mug: Product) -> None:
    assert add(as_customer, mug, next="there")["Location"] == "there"
    assert as_customer.get("/keep/", {"next": "there"})["Location"] == "there"


def test_a_guest_erases_himself_and_his_things(client: Client, mug: Product) -> None:
    add(client, mug)
    assert client.get("/account/erase/").status_code == 405
    client.post("/account/erase/")
    assert not User.objects.exists()
    assert not CartItem.objects.exists()
    assert b"guest-banner" not in client.get("/").content


def test_a_customer_cannot_be_erased_like_a_guest(as_customer: Client, customer: User) -> None:
    as_customer.post("/account/erase/")
    assert User.objects.filter(pk=customer.pk).exists()


def test_signing_out_warns_a_guest_of_what_he_loses(client: Client, mug: Product) -> None:
    add(client, mug)
    assert b"Leave your things behind?" in client.get("/accounts/logout/").content
    assert b"guest-banner" in client.get("/").content


def test_the_account_page_says_who_one_is(
    client: Client, as_customer: Client, mug: Product
) -> None:
    assert client.get("/account/")["Location"] == "/accounts/login/?next=/account/"
    add(client, mug)
    assert b"You are a guest" in client.get("/account/").content
    assert b"robin@example.com" in as_customer.get("/account/").content


def test_an_account_without_an_address_goes_by_no_generated_name(
    client: Client, mug: Product
) -> None:
    add(client, mug)
    user = User.objects.guests().get()
    upgrade(user, method="social")
    client.force_login(User.objects.get(), "django.contrib.auth.backends.ModelBackend")
    pages = [client.get(page).content.decode() for page in ("/account/", "/checkout/")]
    assert "<h1>Customer</h1>" in pages[0]
    assert "Ordering as Customer." in pages[1]
    assert not any(user.username in page for page in pages)


def test_a_refusal_is_a_page_of_the_shop(client: Client, mug: Product, settings: Any) -> None:
    settings.ANONAUTH_ENABLED = False
    answer = add(client, mug)
    assert answer.status_code == 403
    assert b"Anonymous sign-in is switched off." in answer.content
    assert b"shop.css" in answer.content
    assert not User.objects.exists()


def test_the_mailbox_exists_in_development_only(client: Client, settings: Any) -> None:
    settings.DEBUG = True
    assert client.get("/mail/").status_code == 200
    settings.DEBUG = False
    assert client.get("/mail/").status_code == 404


def test_signing_up_sends_the_code_to_the_mailbox_and_ends_as_a_customer(
    client: Client, settings: Any, mailbox: Any
) -> None:
    password = "gulls-and-salt-42"
    fields = {"email": "new@example.com", "password1": password, "password2": password}
    assert client.post("/accounts/signup/", fields).status_code == 302
    mail = mailbox.objects.get()
    assert mail.recipients == "new@example.com"
    code = next(line for line in mail.body.splitlines() if line and line.replace("-", "").isupper())
    client.post("/accounts/confirm-email/", {"code": code})
    user = User.objects.get()
    assert (user.email, user.is_guest) == ("new@example.com", False)
    assert client.get("/orders/").status_code == 200


@pytest.fixture
def mailbox(settings: Any) -> Any:
    from example_project.mailbox.models import Mail

    backend = "example_project.mailbox.backend.EmailBackend"
    if hasattr(settings, "MAILERS"):
        settings.MAILERS = {"default": {"BACKEND": backend}}
    else:
        settings.EMAIL_BACKEND = backend
    return Mail


def test_the_admin_opens_every_list_of_the_shop(admin_client: Client) -> None:
    for path in ("accounts/user", "shop/product", "shop/cartitem", "shop/order", "shop/review"):
        assert admin_client.get(f"/admin/{path}/").status_code == 200, path


def test_a_page_costs_a_visitor_no_query_about_users(
    client: Client, mug: Product, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        client.get("/")
    with django_assert_num_queries(0):
        client.get("/cart/")
