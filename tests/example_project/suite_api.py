"""The stories of the shop's API; run with the shop's own settings by ``test_run.py``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from anonauth.contrib.simplejwt.tokens import issue
from example_project.accounts.models import User
from example_project.shop import cart, demo_data, orders
from example_project.shop.exceptions import CartEmpty, ShopError
from example_project.shop.models import CartItem, Order, OrderLine, Product, Review

pytestmark = pytest.mark.django_db


class Api:
    """A JSON client with a bearer token."""

    def __init__(self, token: str = "") -> None:
        self.client = Client(headers={"Authorization": f"Bearer {token}"} if token else {})

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.generic(
            method, f"/api/{path}", "" if body is None else json.dumps(body), "application/json"
        )
        data = answer.json() if answer.content else None
        return answer.status_code, data


@pytest.fixture
def mug() -> Product:
    return Product.objects.create(
        name="Mug", slug="mug", price="14.00", stock=5, picture="shop/pictures/enamel-mug.svg"
    )


@pytest.fixture
def guest() -> Api:
    answer = Client().post("/auth/anonymous/", content_type="application/json")
    assert answer.status_code == 201
    return Api(answer.json()["access"])


@pytest.fixture
def customer() -> User:
    return User.objects.create_user("robin@example.com", "robin@example.com")


@pytest.fixture
def as_customer(customer: User) -> Api:
    return Api(str(issue(customer).access_token))


@pytest.mark.parametrize("product", ["1e400", "[" * 20_000])
def test_a_body_that_makes_no_sense_is_no_error(guest: Api, product: str) -> None:
    for path in ("cart/items/", "wish-list/"):
        answer = guest.client.post(f"/api/{path}", f'{{"product": {product}}}', "application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


def test_a_guest_fills_cart_and_wish_list(guest: Api, mug: Product) -> None:
    status, item = guest("POST", "cart/items/", {"product": mug.pk, "quantity": 2})
    assert (status, item["quantity"], item["product"]["slug"]) == (201, 2, "mug")
    assert guest("POST", "cart/items/", {"product": mug.pk})[1]["quantity"] == 3
    status, shown = guest("GET", "cart/")
    assert (status, len(shown["items"]), shown["total"]) == (200, 1, "42.00")
    assert guest("PATCH", f"cart/items/{item['id']}/", {"quantity": 1})[1]["quantity"] == 1
    assert guest("DELETE", f"cart/items/{item['id']}/") == (204, None)
    assert guest("GET", "cart/")[1] == {"items": [], "total": "0.00"}
    assert guest("POST", "wish-list/", {"product": mug.pk})[0] == 201
    assert [wish["slug"] for wish in guest("GET", "wish-list/")[1]] == ["mug"]
    assert guest("DELETE", f"wish-list/{mug.pk}/") == (204, None)
    assert not mug.wished_by.exists()


def test_a_guest_may_not_order_or_review(guest: Api, mug: Product) -> None:
    guest("POST", "cart/items/", {"product": mug.pk})
    for method, path, body in (
        ("POST", "orders/", None),
        ("GET", "orders/", None),
        ("POST", "reviews/", {"product": mug.pk, "rating": 5, "text": "Good."}),
    ):
        status, refusal = guest(method, path, body)
        assert (status, refusal["code"]) == (403, "permanent_user_required"), path
        assert refusal["detail"]
    assert not Order.objects.exists()
    assert not Review.objects.exists()
    assert CartItem.objects.exists()


def test_a_guest_s_cart_holds_ten_things_and_a_customer_s_holds_more(
    guest: Api, as_customer: Api
) -> None:
    products = [
        Product.objects.create(name=f"P{n}", slug=f"p{n}", price="1.00", stock=5) for n in range(11)
    ]
    for product in products[:10]:
        assert guest("POST", "cart/items/", {"product": product.pk})[0] == 201

    status, refusal = guest("POST", "cart/items/", {"product": products[10].pk})
    assert (status, refusal["code"], refusal["limit"]) == (403, "quota_exceeded", 10)
    assert "email" in refusal["upgrade_methods"]
    # More of what is there already is no new thing.
    assert guest("POST", "cart/items/", {"product": products[0].pk})[1]["quantity"] == 2
    for product in products:
        assert as_customer("POST", "cart/items/", {"product": product.pk})[0] == 201


def test_a_visitor_is_answered_401_and_stays_a_visitor(mug: Product) -> None:
    visitor = Api()
    assert visitor("GET", "products/")[0] == 200
    for method, path in (
        ("GET", "cart/"),
        ("POST", "cart/items/"),
        ("GET", "wish-list/"),
        ("POST", "wish-list/"),
        ("GET", "orders/"),
        ("POST", "orders/"),
        ("POST", "reviews/"),
    ):
        status, refusal = visitor(method, path, {"product": mug.pk})
        assert (status, refusal["code"]) == (401, "not_authenticated"), path
    assert not User.objects.exists()


def test_a_customer_orders_at_the_prices_of_that_moment(
    as_customer: Api, customer: User, mug: Product
) -> None:
    as_customer("POST", "cart/items/", {"product": mug.pk, "quantity": 2})
    status, order = as_customer("POST", "orders/")
    Product.objects.update(price="99.00", name="Cup")
    assert (status, order["total"]) == (201, "28.00")
    assert as_customer("GET", "orders/")[1] == [order]
    assert order["lines"] == [
        {"product": mug.pk, "name": "Mug", "price": "14.00", "quantity": 2, "total": "28.00"}
    ]
    assert not customer.cart_items.exists()
    assert Product.objects.get().stock == 3


def test_an_empty_cart_cannot_be_ordered(as_customer: Api) -> None:
    status, refusal = as_customer("POST", "orders/")
    assert (status, refusal["code"]) == (409, "cart_empty")
    assert not Order.objects.exists()


def test_an_order_takes_no_more_than_there_is(as_customer: Api, mug: Product) -> None:
    as_customer("POST", "cart/items/", {"product": mug.pk, "quantity": 3})
    Product.objects.update(stock=2)
    status, refusal = as_customer("POST", "orders/")
    assert (status, refusal["code"]) == (409, "not_enough_stock")
    assert not Order.objects.exists()
    assert Product.objects.get().stock == 2
    assert CartItem.objects.get().quantity == 3


def test_a_review_is_written_once(as_customer: Api, mug: Product) -> None:
    body = {"product": mug.pk, "rating": 5, "text": "Good."}
    assert as_customer("POST", "reviews/", body)[0] == 201
    status, refusal = as_customer("POST", "reviews/", body)
    assert (status, refusal["code"]) == (409, "already_reviewed")
    status, refusal = as_customer("POST", "reviews/", {**body, "rating": 6})
    assert (status, list(refusal["fields"])) == (400, ["rating"])
    assert Review.objects.get().rating == 5


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"quantity": 0}, 400, "invalid"),
        ({"quantity": 21}, 400, "invalid"),
        ({"quantity": "many"}, 400, "invalid"),
        ({"product": 999}, 400, "invalid"),
        ({"quantity": 6}, 409, "not_enough_stock"),
    ],
)
def test_the_cart_refuses_what_makes_no_sense(
    guest: Api, mug: Product, body: dict[str, Any], status: int, code: str
) -> None:
    answer = guest("POST", "cart/items/", {"product": mug.pk, **body})
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert not CartItem.objects.exists()


def test_the_sum_of_two_requests_is_bounded_too(guest: Api, mug: Product) -> None:
    Product.objects.update(stock=100)
    guest("POST", "cart/items/", {"product": mug.pk, "quantity": 20})
    status, refusal = guest("POST", "cart/items/", {"product": mug.pk, "quantity": 1})
    assert (status, refusal["code"]) == (409, "too_many")
    assert CartItem.objects.get().quantity == 20


def test_the_cart_of_somebody_else_does_not_exist(guest: Api, customer: User, mug: Product) -> None:
    item = cart.add(user=customer, product=mug, quantity=1)
    for method in ("PATCH", "DELETE"):
        status, refusal = guest(method, f"cart/items/{item.pk}/", {"quantity": 2})
        assert (status, refusal["code"]) == (404, "not_found")
    assert customer.cart_items.get().quantity == 1


def test_the_schema_is_generated_without_warnings(tmp_path: Any) -> None:
    target = tmp_path / "schema.yml"
    call_command("spectacular", fail_on_warn=True, validate=True, file=str(target))
    schema = target.read_text("utf-8")
    assert "/api/cart/items/" in schema
    assert "/auth/anonymous/" in schema


def test_the_page_of_the_api_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs/").content.decode()
    assert "swagger-ui-bundle.js" in page
    assert "https://" not in page


def test_loading_the_demo_twice_changes_nothing() -> None:
    demo_data.load()
    before = [model.objects.count() for model in (User, Product, Review)]
    demo_data.load()
    assert [model.objects.count() for model in (User, Product, Review)] == before
    customer = User.objects.get(email=demo_data.CUSTOMER)
    assert customer.check_password(demo_data.PASSWORD)
    assert not customer.is_guest


def in_parallel(count: int, work: Callable[[], object]) -> list[BaseException]:
    """Run the work in that many threads at once and return what they raised."""
    start = threading.Barrier(count)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            start.wait(timeout=10)
            work()
        except ShopError as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return raised


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_parallel_additions_lose_no_piece(customer: User, mug: Product) -> None:
    Product.objects.update(stock=100)
    mug.refresh_from_db()
    raised = in_parallel(8, lambda: cart.add(user=customer, product=mug, quantity=2))
    assert not raised
    assert customer.cart_items.get().quantity == 16


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_parallel_orders_make_one_order(customer: User, mug: Product) -> None:
    cart.add(user=customer, product=mug, quantity=2)
    raised = in_parallel(6, lambda: orders.place(user=customer))
    assert [type(error) for error in raised] == [CartEmpty] * 5
    assert Order.objects.count() == 1
    assert OrderLine.objects.get().quantity == 2
    mug.refresh_from_db()
    assert mug.stock == 3
