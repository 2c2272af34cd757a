"""sign_in(request), asign_in(request) and the middleware that stands behind them."""

from __future__ import annotations

from datetime import timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from anonauth.captcha import CaptchaVerifier
from anonauth.exceptions import CaptchaFailed
from anonauth.shortcuts import asign_in, sign_in

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.pages")]
User = get_user_model()
KEY = "7b0cf1a1-8f0b-4a7e-bb55-9a2f3f1c8d11"


class Riddle(CaptchaVerifier):
    def verify(self, token: str, *, remote_ip: str | None) -> None:
        if token != "solved":
            raise CaptchaFailed


def seen(days_ago: float) -> Any:
    return timezone.now() - timedelta(days=days_ago)


def test_the_first_write_makes_a_guest_and_the_session_data_stay(client: Client) -> None:
    first = client.post("/basket/").json()
    second = client.post("/basket/").json()

    assert first == second == {"id": str(User.objects.get().pk)}
    assert client.session["basket"] == ["apple", "apple"]


def test_a_visitors_session_key_is_replaced(client: Client) -> None:
    session = client.session
    session["basket"] = ["pear"]
    session.save()
    planted = session.session_key

    client.post("/basket/")

    assert client.session.session_key != planted
    assert client.session["basket"] == ["pear", "apple"]
    assert not type(session)(planted).exists(planted or "")


def test_async_views_have_the_same(client: Client) -> None:
    assert client.post("/abasket/").json() == {"id": str(User.objects.get().pk)}


def test_in_a_get_request_it_is_a_programming_error(client: Client) -> None:
    with pytest.raises(ValueError, match="call it in a POST"):
        client.get("/basket/?force=1")

    assert not User.objects.exists()


def test_a_double_click_with_a_key_is_one_guest() -> None:
    first = Client().post("/basket/", {"key": KEY}).json()
    second = Client().post("/basket/", {"key": KEY}).json()

    assert first == second
    assert User.objects.count() == 1


def test_a_permanent_user_stays_signed_in(client: Client) -> None:
    user = User.objects.create_user("ann")
    client.force_login(user)

    assert client.post("/basket/").json() == {"id": str(user.pk)}


def test_a_session_sign_in_costs_no_more_than_djangos_own(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    # INSERT user; session: key free?, INSERT, UPDATE, each in a transaction; last_login. Without anonauth: the same.
    with django_assert_max_num_queries(9):
        client.post("/welcome/")


# --- refusals


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [("ENABLED", False, 403), ("RATE_LIMITS", ["1/h"], 429), ("MAX_GUESTS", 0, 503)],
)
def test_a_refusal_is_a_page_with_its_status(
    settings: Settings, name: str, value: Any, status: int
) -> None:
    if name == "RATE_LIMITS":
        Client().post("/basket/")
    setattr(settings, f"ANONAUTH_{name}", value)
    Client().post("/basket/")

    answer = Client().post("/basket/")

    assert answer.status_code == status
    assert "anonauth/refused.html" in [t.name for t in answer.templates]
    assert "no-store" in answer["Cache-Control"]
    assert answer.has_header("Retry-After") == (status == 429)


def test_pages_of_another_site_cannot_sign_a_browser_in(client: Client) -> None:
    answer = client.post("/basket/", headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "field",
    ["cf-turnstile-response", "h-captcha-response", "g-recaptcha-response", "captcha_token"],
)
def test_pages_need_the_captcha_as_the_api_does(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    settings.ANONAUTH_CAPTCHA = "tests.test_shortcuts.Riddle"

    assert Client().post("/basket/").status_code == 400
    assert Client().post("/basket/", {field: "wrong"}).status_code == 400
    assert not User.objects.exists()
    assert Client().post("/basket/", {field: "solved"}).status_code == 200


# --- the middleware


def test_a_guests_visit_is_remembered_once_in_an_interval(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.post("/welcome/")
    User.objects.update(last_seen_at=seen(days_ago=29))

    with django_assert_num_queries(
        6
    ):  # session, user, UPDATE; the session lives on: BEGIN, UPDATE, COMMIT
        client.get("/welcome/")
    assert User.objects.get().last_seen_at > seen(days_ago=0.01)
    with django_assert_num_queries(2):
        client.get("/welcome/")


def test_the_session_of_a_guest_who_returns_lives_as_long_as_his_data(client: Client) -> None:
    client.post("/welcome/")
    Session.objects.update(expire_date=timezone.now() + timedelta(minutes=1))
    User.objects.update(last_seen_at=seen(days_ago=29))

    answer = client.get("/welcome/")

    assert Session.objects.get().expire_date > timezone.now() + timedelta(days=29)
    assert answer.cookies["sessionid"]["max-age"] == 30 * 86400


def test_a_public_page_that_renews_the_cookie_is_not_public_this_time(client: Client) -> None:
    client.post("/welcome/")
    User.objects.update(last_seen_at=seen(days_ago=29))

    renewed, usual = client.get("/public/"), client.get("/public/")

    assert "sessionid" in renewed.cookies
    assert set(renewed["Cache-Control"].split(", ")) >= {"private", "no-store"}
    assert "public" not in renewed["Cache-Control"]
    assert "public" in usual["Cache-Control"]


def test_a_banned_guest_gets_no_further_where_the_backend_lets_him_in(
    client: Client, settings: Settings
) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    client.post("/basket/")
    User.objects.update(is_active=False)

    assert client.get("/guest/").status_code == 302
    assert client.post("/basket/").status_code == 401


def test_a_rest_view_that_ignores_sessions_finds_the_guest_in_his_session(client: Client) -> None:
    first = client.post("/rest/").json()

    assert client.post("/rest/").json() == first
    assert User.objects.count() == 1


def test_a_permanent_users_visit_is_nobodys_business(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(User.objects.create_user("ann"))

    with django_assert_num_queries(2):
        client.get("/welcome/")
    assert User.objects.get().last_seen_at is None


def test_a_page_that_ignores_its_user_costs_no_query_and_stays_cacheable(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.post("/welcome/")
    User.objects.update(last_seen_at=seen(days_ago=29))

    with django_assert_num_queries(0):
        answer = client.get("/open/")
    assert "Cookie" not in answer.get("Vary", "")


def test_async_views_are_offered_the_same_arguments() -> None:
    assert signature(asign_in).parameters == signature(sign_in).parameters
