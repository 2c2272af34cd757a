"""Our authentication and our guards in a project's own views and pages."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from anonauth.contrib.postgres.transport import without_claims
from anonauth.contrib.simplejwt.authentication import JWTAuthentication
from anonauth.decorators import guest_required, permanent_required, sign_in_guest
from anonauth.models import is_guest
from tests import pages
from tests.client import Api

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries, Settings

# As in production: no transaction around the request.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
User = get_user_model()


class Mine(APIView):
    """A project's view, for whoever comes with a token."""

    authentication_classes = (JWTAuthentication,)

    def get(self, request: Request) -> Response:
        user: Any = request.user
        return Response(
            {
                "type": f"{type(user).__module__}.{type(user).__name__}",
                "id": str(user.pk),
                "is_guest": user.is_authenticated and user.is_guest,
                "credential": type(request.auth).__name__,
            }
        )


class Thrice(APIView):
    """Asks three times whether it is a guest."""

    authentication_classes = (JWTAuthentication,)

    def get(self, request: Request) -> Response:
        user: Any = request.user
        return Response({"guest": [is_guest(user), is_guest(request.user), user.is_guest]})


def page(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    return HttpResponse(f"{user.__class__.__name__} {user.is_authenticated}")


def thrice(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    return HttpResponse(f"{is_guest(user)} {is_guest(request.user)} {user.is_guest}")


urlpatterns = [
    *pages.urlpatterns,
    path("mine/", Mine.as_view()),
    path("thrice/", Thrice.as_view()),
    path("thrice-page/", thrice),
    path("plain/", page),
    path("outer/never-cache/", sign_in_guest(never_cache(page))),
    path("inner/never-cache/", never_cache(sign_in_guest(page))),
    path("outer/require-post/", sign_in_guest(require_POST(page))),
    path("inner/require-post/", require_POST(sign_in_guest(page))),
    path("outer/csrf/", sign_in_guest(csrf_protect(page))),
    path("inner/csrf/", csrf_protect(sign_in_guest(page))),
    path("outer/csrf-exempt/", sign_in_guest(csrf_exempt(page))),
    path("inner/csrf-exempt/", csrf_exempt(sign_in_guest(page))),
    path("outer/permanent/", permanent_required(require_safe(never_cache(page)))),
    path("inner/permanent/", never_cache(require_safe(permanent_required(page)))),
    path("outer/guest/", guest_required(require_safe(never_cache(page)))),
    path("inner/guest/", never_cache(require_safe(guest_required(page)))),
]


def get(api: Api, url: str) -> Any:
    return api.http.get(url, headers={"Authorization": f"Bearer {api.tokens['access']}"})


def statements(api: Api, url: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert get(api, url).status_code == 200
    return [without_claims(q["sql"]).split()[0] for q in queries.captured_queries]


@pytest.fixture
def guest(api: Api) -> Api:
    api.sign_in()
    return api


# --- tokens in a project's own views of REST framework


def test_a_token_touches_last_seen_once_in_an_interval(guest: Api, settings: Settings) -> None:
    settings.ANONAUTH_LAST_SEEN_INTERVAL = timedelta(hours=1)
    assert statements(guest, "/mine/") == ["SELECT"]

    long_ago = timezone.now() - timedelta(hours=1, seconds=1)
    User.objects.update(last_seen_at=long_ago)

    assert statements(guest, "/mine/") == ["SELECT", "UPDATE"]
    assert User.objects.get().last_seen_at > timezone.now() - timedelta(minutes=1)
    assert statements(guest, "/mine/") == ["SELECT"]


def test_just_before_the_interval_is_over_nothing_is_written(
    guest: Api, settings: Settings
) -> None:
    settings.ANONAUTH_LAST_SEEN_INTERVAL = timedelta(hours=1)
    recent = timezone.now() - timedelta(minutes=59)
    User.objects.update(last_seen_at=recent)

    assert statements(guest, "/mine/") == ["SELECT"]
    assert User.objects.get().last_seen_at == recent


def test_the_visits_of_a_permanent_user_are_not_remembered(guest: Api) -> None:
    from_before = User.objects.get()
    User.objects.update(is_guest=False, last_seen_at=None)
    guest.refresh()

    assert statements(guest, "/mine/") == ["SELECT"]
    assert User.objects.get(pk=from_before.pk).last_seen_at is None


def test_the_user_is_one_of_the_projects_own_class(guest: Api) -> None:
    assert get(guest, "/mine/").json() == {
        "type": "tests.testapp.models.User",
        "id": str(User.objects.get().pk),
        "is_guest": True,
        "credential": "AccessToken",
    }


def test_asking_three_times_for_a_guest_costs_no_query(guest: Api) -> None:
    assert get(guest, "/thrice/").json() == {"guest": [True, True, True]}
    assert statements(guest, "/thrice/") == ["SELECT"]


def test_a_visitor_costs_no_query_and_is_no_guest(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(0):
        body = Client().get("/mine/").json()

    assert body["is_guest"] is False


@pytest.mark.parametrize("end", ["delete", "ban", "revoke"])
def test_the_token_of_a_guest_who_is_gone_is_refused_in_a_projects_view(
    guest: Api, end: str
) -> None:
    if end == "delete":
        User.objects.all().delete()
    elif end == "ban":
        User.objects.update(is_active=False)
    else:
        User.objects.update(credentials_revoked_at=timezone.now())

    answer = get(guest, "/mine/")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_refused_token_is_no_visit(guest: Api) -> None:
    long_ago = timezone.now() - timedelta(days=29)
    User.objects.update(last_seen_at=long_ago, credentials_revoked_at=timezone.now())

    get(guest, "/mine/")

    assert User.objects.get().last_seen_at == long_ago


# --- sessions on pages


def test_asking_three_times_on_a_page_costs_no_query(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.post("/welcome/")

    with django_assert_num_queries(2):  # the session, the user
        answer = client.get("/thrice-page/")
    assert answer.content == b"True True True"


@pytest.mark.parametrize("url", ["/permanent/", "/apermanent/", "/guest/", "/aguest/"])
def test_the_session_of_a_deleted_guest_leads_to_the_login_page(url: str, client: Client) -> None:
    client.post("/welcome/")
    User.objects.all().delete()

    answer = client.get(url)

    assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={url}")


@pytest.mark.parametrize("url", ["/welcome/", "/awelcome/", "/basket/"])
def test_the_session_of_a_deleted_guest_does_not_stop_him_from_coming_again(
    url: str, client: Client
) -> None:
    first = client.post("/welcome/").json()
    User.objects.all().delete()

    second = client.post(url)

    assert second.status_code == 200
    assert second.json() == {"id": str(User.objects.get().pk)}
    assert second.json() != first
    assert client.get("/welcome/").json() == second.json()


def test_a_post_to_a_view_without_the_decorator_makes_nobody(client: Client) -> None:
    answer = client.post("/plain/")

    assert answer.content == b"AnonymousUser False"
    assert not User.objects.exists()
    assert not Session.objects.exists()
    assert not answer.cookies


# --- other decorators


@pytest.mark.parametrize("place", ["outer", "inner"])
@pytest.mark.parametrize("other", ["never-cache", "require-post", "csrf-exempt"])
def test_the_decorator_works_above_and_below_others(place: str, other: str, client: Client) -> None:
    answer = client.post(f"/{place}/{other}/")

    assert answer.content == b"User True"
    assert User.objects.get().is_guest
    assert {"private", "no-store"} <= set(answer["Cache-Control"].split(", "))


@pytest.mark.parametrize("place", ["outer", "inner"])
def test_a_method_that_is_not_allowed_makes_nobody(place: str, client: Client) -> None:
    assert client.get(f"/{place}/require-post/").status_code == 405
    assert not User.objects.exists()


@pytest.mark.parametrize("place", ["outer", "inner"])
def test_with_its_csrf_token_a_form_makes_a_guest_and_without_it_nobody(place: str) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(f"/{place}/csrf/").status_code == 403
    assert not User.objects.exists()

    client.cookies["csrftoken"] = "a" * 32
    answer = client.post(f"/{place}/csrf/", {"csrfmiddlewaretoken": "a" * 32})

    assert answer.content == b"User True"
    assert User.objects.get().is_guest


@pytest.mark.parametrize("place", ["outer", "inner"])
def test_an_exempt_view_stays_exempt_and_still_refuses_other_sites(place: str) -> None:
    client = Client(enforce_csrf_checks=True)
    url = f"/{place}/csrf-exempt/"

    assert client.post(url, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert not User.objects.exists()
    assert client.post(url).content == b"User True"


@pytest.mark.parametrize("place", ["outer", "inner"])
def test_guards_hold_above_and_below_other_decorators(place: str) -> None:
    visitor, guest, permanent = Client(), Client(), Client()
    guest.post("/welcome/")
    permanent.force_login(User.objects.create_user("ann"))

    for name in ("permanent", "guest"):
        url = f"/{place}/{name}/"
        assert visitor.get(url)["Location"] == f"/accounts/login/?next={url}"
    assert guest.get(f"/{place}/permanent/").status_code == 302
    assert guest.get(f"/{place}/guest/").content == b"User True"
    assert permanent.get(f"/{place}/permanent/").content == b"User True"
    assert permanent.get(f"/{place}/guest/").status_code == 302
    assert permanent.post(f"/{place}/permanent/").status_code == 405
