"""The guards of pages; each case runs as decorator, async view and class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from anonauth.decorators import permanent_required

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.pages")]
User = get_user_model()

PERMANENT = pytest.mark.parametrize(
    "url", ["/permanent/", "/apermanent/", "/class/permanent/", "/class/apermanent/"]
)
GUEST = pytest.mark.parametrize("url", ["/guest/", "/aguest/", "/class/guest/"])
WELCOME = pytest.mark.parametrize("url", ["/welcome/", "/awelcome/", "/class/welcome/"])


def signed_in(**fields: Any) -> tuple[Client, Any]:
    user = User.objects.create_user("somebody", **fields)
    client = Client()
    client.force_login(user)
    return client, user


@PERMANENT
def test_a_permanent_user_passes(url: str) -> None:
    client, user = signed_in()

    assert client.get(url).json() == {"id": str(user.pk)}


@PERMANENT
def test_a_visitor_is_sent_to_log_in_and_back(url: str, client: Client) -> None:
    answer = client.get(url + "?page=2")

    assert (answer.status_code, answer["Location"]) == (
        302,
        f"/accounts/login/?next={url}%3Fpage%3D2",
    )


@PERMANENT
def test_a_guest_is_sent_to_upgrade_and_back(url: str, settings: Settings) -> None:
    settings.ANONAUTH_UPGRADE_URL = "/keep/"
    client, _ = signed_in(is_guest=True)

    answer = client.get(url)

    assert (answer.status_code, answer["Location"]) == (302, f"/keep/?next={url}")


def test_the_decorator_may_name_other_places() -> None:
    client, _ = signed_in(is_guest=True)

    assert client.get("/permanent-elsewhere/")["Location"] == "/up/?back=/permanent-elsewhere/"
    assert Client().get("/permanent-elsewhere/")["Location"] == "/in/?back=/permanent-elsewhere/"


def test_a_class_may_name_other_places_in_the_urlconf() -> None:
    client, _ = signed_in(is_guest=True)

    assert client.get("/class/elsewhere/")["Location"] == "/up/?next=/class/elsewhere/"
    assert Client().get("/class/elsewhere/")["Location"] == "/in/?next=/class/elsewhere/"


def test_the_way_back_cannot_lead_to_another_site(client: Client) -> None:
    answer = client.get("/permanent/", {"next": "https://evil.example"})
    assert answer["Location"].startswith("/accounts/login/?next=/permanent/")


@GUEST
def test_a_guest_passes_where_guests_belong(url: str) -> None:
    client, user = signed_in(is_guest=True)

    assert client.get(url).json() == {"id": str(user.pk)}


@GUEST
def test_a_visitor_is_sent_to_log_in_where_guests_belong(url: str, client: Client) -> None:
    assert client.get(url)["Location"] == f"/accounts/login/?next={url}"


@GUEST
def test_a_permanent_user_is_sent_on_where_guests_belong(url: str) -> None:
    client, _ = signed_in()

    assert client.get(url)["Location"] == ("/profile/" if "class" in url else "/")


@WELCOME
def test_a_write_makes_a_visitor_a_guest_before_the_view(url: str, client: Client) -> None:
    answer = client.post(url)

    assert answer.json() == {"id": str(User.objects.get().pk)}
    assert User.objects.get().is_guest
    assert client.get(url).json() == answer.json()


@WELCOME
@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_reading_makes_nobody(url: str, method: str, client: Client) -> None:
    answer = getattr(client, method)(url)

    assert answer.status_code == 200
    assert not User.objects.exists()
    assert "sessionid" not in answer.cookies


@WELCOME
def test_whoever_is_signed_in_stays_who_he_is(url: str) -> None:
    client, user = signed_in()

    assert client.post(url).json() == {"id": str(user.pk)}
    assert User.objects.count() == 1


@WELCOME
@pytest.mark.parametrize(
    "headers",
    [{"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, {"sec-purpose": "prefetch"}],
)
def test_a_robot_gets_the_page_and_no_guest(
    url: str, headers: dict[str, str], client: Client
) -> None:
    answer = client.post(url, headers=headers)

    assert (answer.status_code, answer.json()) == (200, {"id": None})
    assert not User.objects.exists()


@WELCOME
def test_no_cache_may_keep_the_answer_that_signed_somebody_in(url: str, client: Client) -> None:
    first, second = client.post(url), client.post(url)

    assert set(first["Cache-Control"].split(", ")) == {"private", "no-store"}
    assert "Cookie" in first["Vary"]
    assert "Cache-Control" not in second


def test_a_guarded_view_keeps_its_name_and_its_attributes() -> None:
    def view(request: Any) -> None:
        """Doc."""

    view.csrf_exempt = True  # type: ignore[attr-defined]
    guarded: Any = permanent_required(view)

    assert (guarded.__name__, guarded.__doc__, guarded.csrf_exempt) == ("view", "Doc.", True)
