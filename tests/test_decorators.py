"""The guards of pages; each case runs as decorator, async view and class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.test import Client
from django.views import View
from rest_framework import viewsets

from anonauth.access.mark import marked
from anonauth.adapter import get_adapter
from anonauth.decorators import (
    guest_required,
    guests_allowed,
    permanent_required,
    sign_in_guest,
)
from anonauth.mixins import GuestRequiredMixin

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


# --- scripts, which ask for JSON

JSON = {"accept": "application/json"}


@PERMANENT
def test_a_script_is_told_in_json_what_is_asked_of_a_guest(url: str) -> None:
    client, _ = signed_in(is_guest=True)

    answer = client.get(url, headers=JSON)

    assert answer.status_code == 403
    assert answer.json() == {
        "code": "permanent_user_required",
        "detail": "Create an account or sign in to do this.",
        "upgrade_methods": get_adapter().upgrade_methods(),
    }
    assert "no-store" in answer["Cache-Control"]
    assert "Accept" in answer["Vary"]


@PERMANENT
def test_a_script_of_a_visitor_is_told_to_sign_in(url: str, client: Client) -> None:
    answer = client.get(url, headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


@GUEST
def test_a_script_of_a_permanent_user_is_told_that_this_is_for_guests(url: str) -> None:
    client, _ = signed_in()

    answer = client.get(url, headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_anonymous")


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8", ""])
def test_a_browser_is_sent_to_a_page(accept: str, client: Client) -> None:
    assert client.get("/permanent/", headers={"accept": accept}).status_code == 302


# --- a deliberate decision


def test_a_decision_is_written_on_the_view_and_seen_through_decorators() -> None:
    @guests_allowed(reason="carts are for guests")
    def view(request: Any) -> HttpResponse:
        return HttpResponse()

    assert marked(view, "GET") == "carts are for guests"
    assert marked(login_required(view), "GET") == "carts are for guests"
    assert marked(guests_allowed(lambda request: None), "GET") == "guests_allowed"
    assert marked(lambda request: None, "GET") is None


def test_a_decision_can_be_for_a_class_or_for_one_of_its_handlers() -> None:
    @guests_allowed
    class Whole(View): ...

    class Part(View):
        @guests_allowed
        def post(self, request: Any) -> None: ...

    assert marked(Whole.as_view(), "DELETE") == "guests_allowed"
    assert marked(Part.as_view(), "POST") == "guests_allowed"
    assert marked(Part.as_view(), "GET") is None


def test_a_decision_can_be_for_one_action_of_a_view_set() -> None:
    class Notes(viewsets.ViewSet):
        @guests_allowed(reason="they see what there is")
        def list(self, request: Any) -> None: ...

        def create(self, request: Any) -> None: ...

    view = Notes.as_view({"get": "list", "post": "create"})
    assert marked(view, "GET") == "they see what there is"
    assert marked(view, "POST") is None


def test_decorators_for_guests_are_decisions_themselves() -> None:
    assert marked(guest_required(lambda request: None), "GET") == "guest_required"
    assert marked(sign_in_guest(lambda request: None), "GET") == "sign_in_guest"
    assert marked(GuestRequiredMixin.as_view(), "GET") == "guest_required"
    assert marked(permanent_required(lambda request: None), "GET") is None
