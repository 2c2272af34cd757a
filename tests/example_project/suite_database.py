"""What the shop's database refuses when it is PostgreSQL; run with the shop's own settings by ``test_run.py``."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from rest_framework.permissions import IsAuthenticated

from anonauth.contrib.postgres.identity import as_guest, as_user, as_visitor
from anonauth.contrib.postgres.testing import refused
from anonauth.exceptions import DatabaseRefused
from example_project.accounts.models import User
from example_project.shop import demo_data
from example_project.shop.api import views
from example_project.shop.models import Order, OrderLine, Product, Review

pytestmark = pytest.mark.django_db

IS_POSTGRES = connection.vendor == "postgresql"


@pytest.fixture
def mug() -> Product:
    return Product.objects.create(
        name="Mug", slug="mug", price="14.00", stock=5, picture="shop/pictures/enamel-mug.svg"
    )


@pytest.fixture
def customer() -> User:
    return User.objects.create_user("robin@example.com", "robin@example.com")


@pytest.fixture
def guest(mug: Product) -> Client:
    client = Client()
    client.post("/cart/add/", {"product": mug.pk, "quantity": 1})
    return client


def test_the_page_shows_the_statement_and_makes_nobody(client: Client, mug: Product) -> None:
    page = client.get("/try/")
    assert page.status_code == 200
    assert b"INSERT INTO shop_review" in page.content
    assert not User.objects.exists()


def test_a_guest_sends_the_statement_and_the_database_says_no(guest: Client) -> None:
    answer = guest.post("/try/")
    page = answer.content.decode()
    if IS_POSTGRES:
        assert answer.status_code == 403
        assert "The database refused it" in page
        assert "only permanent users may insert rows of table shop_review" in page
    else:
        assert answer.status_code == 200
        assert 'id="needs-postgresql"' in page
        assert "refused" not in page
    assert not Review.objects.exists()


def test_a_visitor_becomes_a_guest_for_it_where_it_can_be_sent(
    client: Client, mug: Product
) -> None:
    client.post("/try/")
    assert [user.is_guest for user in User.objects.all()] == ([True] if IS_POSTGRES else [])


def test_a_customer_is_not_refused_and_nothing_is_kept(customer: User, mug: Product) -> None:
    client = Client()
    client.force_login(customer, "django.contrib.auth.backends.ModelBackend")
    answer = client.post("/try/")
    assert answer.status_code == 200
    assert ("The database accepted it" in answer.content.decode()) is IS_POSTGRES
    assert not Review.objects.exists()


@pytest.mark.parametrize("path", ["reviews", "orders"])
def test_a_forgotten_check_in_the_api_is_made_up_for_by_the_database(
    guest: Client, mug: Product, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view: Any = views.Reviews if path == "reviews" else views.Orders
    monkeypatch.setattr(view, "permission_classes", [IsAuthenticated])
    token = Client().post("/auth/anonymous/", content_type="application/json").json()["access"]
    bearer = {"Authorization": f"Bearer {token}"}
    items = {"product": mug.pk, "quantity": 1}
    Client().post("/api/cart/items/", items, "application/json", headers=bearer)
    body = {"product": mug.pk, "rating": 5, "text": "Good."} if path == "reviews" else {}
    answer = Client().post(f"/api/{path}/", body, "application/json", headers=bearer)
    if IS_POSTGRES:
        assert (answer.status_code, answer.json()["code"]) == (403, "database_refused")
        assert not Review.objects.exists()
        assert not Order.objects.exists()
        mug.refresh_from_db()
        assert mug.stock == 5
    else:
        assert answer.status_code == 201


@pytest.mark.skipif(not IS_POSTGRES, reason="SQLite knows no users")
def test_orders_and_their_lines_and_reviews_refuse_all_but_reading(
    customer: User, mug: Product
) -> None:
    with as_user(customer):
        order = Order.objects.create(user=customer, total=1)
        line = OrderLine.objects.create(order=order, product=mug, name="Mug", price=1, quantity=1)
        review = Review.objects.create(user=customer, product=mug, rating=5, text="Good.")
    for block in (as_guest, as_visitor):
        for row in (order, line, review):
            table: Any = type(row).objects
            with block():
                with refused():
                    row.save()
                with refused():
                    table.filter(pk=row.pk).delete()
                with refused():
                    table.bulk_create([type(row)(**{**vars_of(row), "id": None})])
                assert table.count() == 1


def vars_of(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.skipif(not IS_POSTGRES, reason="SQLite knows no users")
def test_raw_sql_of_nobody_is_refused_where_the_shop_is_run_as_usual(
    settings: Any, customer: User, mug: Product
) -> None:
    settings.ANONAUTH_ROW_SECURITY_OUTSIDE_REQUESTS = "visitor"
    statement = "INSERT INTO shop_order (user_id, placed_at, total) VALUES (%s, now(), 1)"
    with pytest.raises(DatabaseRefused), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [customer.pk])
    demo_data.load()
    assert Review.objects.count() == len(demo_data.REVIEWS)


def test_the_checks_find_nothing_to_say_of_the_tables() -> None:
    call_command("check", databases=["default"], tags=["anonauth"])


@pytest.mark.django_db(transaction=True)
def test_over_http_the_page_answers_a_guest_of_a_real_server(live_server: Any) -> None:
    Product.objects.create(name="Mug", slug="mug", price="14.00", stock=5, picture="x.svg")
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    page = opener.open(f"{live_server.url}/try/").read().decode()
    token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    if not IS_POSTGRES:
        assert 'id="needs-postgresql"' in page
        assert not token, "there is nothing to send"
        return
    body = f"csrfmiddlewaretoken={token}".encode()
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(urllib.request.Request(f"{live_server.url}/try/", body))
    assert caught.value.code == 403
    assert "The database refused it" in caught.value.read().decode()
    assert not Review.objects.exists()
