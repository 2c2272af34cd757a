"""The middleware that closes to guests what nobody has decided about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required, login_required
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.views import View
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from anonauth.decorators import guest_required, guests_allowed
from anonauth.exceptions import PermanentUserRequired, RateLimited

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
User = get_user_model()
NAME = "anonauth.middleware.PermanentUserRequiredMiddleware"


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


async def aplain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


def refuses(request: HttpRequest) -> HttpResponse:
    raise PermanentUserRequired(["email"])


def limits(request: HttpRequest) -> HttpResponse:
    raise RateLimited(60)


class Halves(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("read")

    @guests_allowed
    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("written")


class Rest(APIView):
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        return Response("rest")


urlpatterns = [
    path("plain/", plain),
    path("aplain/", aplain),
    path("open/", login_not_required(lambda request: HttpResponse("open"))),
    path("marked/", guests_allowed(lambda request: HttpResponse("marked"))),
    path("guests/", guest_required(lambda request: HttpResponse("guests"))),
    path("elsewhere/", login_required(lambda request: HttpResponse(), login_url="/other/")),
    path("halves/", Halves.as_view()),
    path("rest/", Rest.as_view()),
    path("refuses/", guests_allowed(refuses)),
    path("limits/", guests_allowed(limits)),
    path("in/", login_not_required(lambda request: HttpResponse("in")), name="account_login"),
]


@pytest.fixture(autouse=True)
def middleware(settings: Settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, NAME]
    settings.ANONAUTH_UPGRADE_URL = "/keep/"


@pytest.fixture
def guest() -> Client:
    return signed_in(is_guest=True)


def signed_in(**fields: Any) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("somebody", **fields))
    return client


@pytest.mark.parametrize("url", ["/plain/", "/aplain/", "/halves/"])
def test_what_nobody_decided_about_is_for_permanent_users(url: str, guest: Client) -> None:
    assert Client().get(url)["Location"] == f"/in/?next={url}"
    assert guest.get(url)["Location"] == f"/keep/?next={url}"


@pytest.mark.parametrize("url", ["/plain/", "/aplain/", "/halves/", "/marked/", "/open/"])
def test_a_permanent_user_passes_everywhere(url: str) -> None:
    assert signed_in().get(url).status_code == 200


def test_what_is_open_to_everybody_stays_open(guest: Client) -> None:
    for client in (Client(), guest):
        assert client.get("/open/").content == b"open"
        assert client.get("/rest/").status_code == 200


def test_what_is_marked_is_for_guests_and_not_for_visitors(guest: Client) -> None:
    assert guest.get("/marked/").content == b"marked"
    assert guest.get("/guests/").content == b"guests"
    assert Client().get("/marked/")["Location"] == "/in/?next=/marked/"


def test_one_handler_of_a_class_can_be_marked(guest: Client) -> None:
    assert guest.post("/halves/").content == b"written"
    assert guest.get("/halves/").status_code == 302
    assert Client().post("/halves/").status_code == 302


def test_without_a_page_for_upgrades_a_guest_is_sent_to_log_in(
    guest: Client, settings: Settings
) -> None:
    settings.ANONAUTH_UPGRADE_URL = None

    assert guest.get("/plain/")["Location"] == "/in/?next=/plain/"
    assert guest.get("/elsewhere/")["Location"] == "/other/?next=/elsewhere/"


def test_a_script_is_answered_in_json(guest: Client) -> None:
    headers = {"accept": "application/json"}

    answer = guest.get("/plain/", headers=headers)
    visitor = Client().get("/plain/", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "permanent_user_required")
    assert "email" in answer.json()["upgrade_methods"]
    assert (visitor.status_code, visitor.json()["code"]) == (401, "not_authenticated")


def test_it_works_under_asgi_too() -> None:
    import asyncio

    async def get() -> Any:
        return await AsyncClient().get("/aplain/")

    assert asyncio.run(get())["Location"] == "/in/?next=/aplain/"


# --- the page for refusals


def test_the_page_for_a_refusal_leads_to_the_upgrade_and_back(guest: Client) -> None:
    answer = guest.get("/refuses/?page=2")

    assert answer.status_code == 403
    assert b'href="/keep/?next=%2Frefuses%2F%3Fpage%3D2"' in answer.content
    # What was sent cannot be loaded again.
    assert b'href="/keep/"' in guest.post("/refuses/").content


def test_a_refusal_that_an_upgrade_would_not_lift_leads_nowhere(guest: Client) -> None:
    answer = guest.get("/limits/")

    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert b"/keep/" not in answer.content
