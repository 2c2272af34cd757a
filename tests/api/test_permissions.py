"""Our permissions in a project's own views of REST framework, which is left at its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import path
from django.utils import translation
from rest_framework.authentication import SessionAuthentication as StockSessionAuthentication
from rest_framework.permissions import BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView, exception_handler

from anonauth.adapter import get_adapter
from anonauth.api.authentication import SessionAuthentication
from anonauth.api.permissions import IsGuest, IsPermanentUser, IsPermanentUserOrReadOnly
from anonauth.contrib.simplejwt.authentication import JWTAuthentication
from anonauth.contrib.simplejwt.tokens import issue
from tests.testapp.models import Note

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
User = get_user_model()

SAFE = ["GET", "HEAD", "OPTIONS"]
UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]

UNKNOWN = (401, None)
NO_GUESTS = (403, "permanent_user_required")
GUESTS_ONLY = (403, "not_anonymous")
PLAIN = (403, None)  # REST framework's own words, where a permission of the project's refused
PAID = (403, "not_paid")
LET_IN = (200, None)


class IsOwner(BasePermission):
    """A project's own check, of objects alone."""

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        return bool(obj.owner_id == request.user.pk)


class Everything(APIView):
    """Answers to every method whoever the permissions let in."""

    authentication_classes = (JWTAuthentication, SessionAuthentication)

    def get(self, request: Request) -> Response:
        return Response({})

    post = put = patch = delete = get


class Detail(APIView):
    """Asks for the rights on the object too, as REST framework's generic views do."""

    authentication_classes = (JWTAuthentication,)

    def get(self, request: Request, pk: int) -> Response:
        note = Note.objects.get(pk=pk)
        self.check_object_permissions(request, note)
        return Response({"text": note.text})

    put = delete = get


class HasPaid(BasePermission):
    """A project's own check, with words and a code."""

    message = {"code": "not_paid", "detail": "Pay first."}

    def has_permission(self, request: Request, view: APIView) -> bool:
        return False


PERMISSIONS: dict[str, Any] = {
    "permanent": IsPermanentUser,
    "guest": IsGuest,
    "read-only": IsPermanentUserOrReadOnly,
    "not-guest": ~IsGuest,
    "not-permanent": ~IsPermanentUser,
    "both": IsGuest & IsPermanentUser,
    "either": IsGuest | IsPermanentUser,
    "permanent-or-owner": IsPermanentUser | IsOwner,
    "permanent-owner": IsPermanentUser & IsOwner,
    "guest-owner": IsGuest & IsOwner,
    "owner-no-guest": IsOwner & ~IsGuest,
    "not-not-guest": ~~IsGuest,
    "read-only-or-guest": IsPermanentUserOrReadOnly | IsGuest,
    "permanent-and-paid": IsPermanentUser & HasPaid,
    "paid-and-permanent": HasPaid & IsPermanentUser,
    "paid-or-permanent": HasPaid | IsPermanentUser,
    "admin-or-permanent": IsAdminUser | IsPermanentUser,
    "permanent-or-admin": IsPermanentUser | IsAdminUser,
    "signed-in-no-guest": IsAuthenticated & ~IsGuest,
    "neither": ~(IsGuest | IsPermanentUser),
    "not-both": ~(IsGuest & IsPermanentUser),
    "three": (IsPermanentUser | IsAdminUser) & HasPaid,
}

urlpatterns = [
    *(
        path(f"{name}/", Everything.as_view(permission_classes=[permission]))
        for name, permission in PERMISSIONS.items()
    ),
    *(
        path(f"{name}/<int:pk>/", Detail.as_view(permission_classes=[permission]))
        for name, permission in PERMISSIONS.items()
    ),
    path(
        "stock-session/",
        Everything.as_view(
            authentication_classes=[StockSessionAuthentication],
            permission_classes=[IsPermanentUser],
        ),
    ),
]


class People:
    """A visitor, a guest and a permanent user, each with a token of his own."""

    def __init__(self) -> None:
        self.guest = User.objects.create_user("guest-1", is_guest=True)
        self.permanent = User.objects.create_user("ann")

    def ask(self, who: str, method: str, url: str) -> tuple[int, str | None]:
        client = APIClient()
        if who != "visitor":
            token = issue(getattr(self, who)).access_token
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        answer = client.generic(method, url)
        data = getattr(answer, "data", None) or {}
        return answer.status_code, data.get("code")


@pytest.fixture
def people() -> People:
    return People()


def test_the_views_here_use_rest_frameworks_own_handler() -> None:
    assert Everything().get_exception_handler() is exception_handler


# --- each by itself


@pytest.mark.parametrize("method", SAFE + UNSAFE)
def test_only_permanent_users_pass_is_permanent_user(people: People, method: str) -> None:
    assert people.ask("visitor", method, "/permanent/") == UNKNOWN
    assert people.ask("guest", method, "/permanent/") == NO_GUESTS
    assert people.ask("permanent", method, "/permanent/") == LET_IN


@pytest.mark.parametrize("method", SAFE + UNSAFE)
def test_only_guests_pass_is_guest(people: People, method: str) -> None:
    assert people.ask("visitor", method, "/guest/") == UNKNOWN
    assert people.ask("guest", method, "/guest/") == LET_IN
    assert people.ask("permanent", method, "/guest/") == GUESTS_ONLY


@pytest.mark.parametrize("method", SAFE)
def test_everybody_reads_where_permanent_users_write(people: People, method: str) -> None:
    for who in ("visitor", "guest", "permanent"):
        assert people.ask(who, method, "/read-only/") == LET_IN


@pytest.mark.parametrize("method", UNSAFE)
def test_nobody_else_writes_where_permanent_users_write(people: People, method: str) -> None:
    assert people.ask("visitor", method, "/read-only/") == UNKNOWN
    assert people.ask("guest", method, "/read-only/") == NO_GUESTS
    assert people.ask("permanent", method, "/read-only/") == LET_IN


def test_a_refusal_says_what_to_do_and_nothing_else(people: People) -> None:
    client = APIClient()
    client.force_authenticate(people.guest)

    body = client.get("/permanent/").json()

    assert body == {
        "code": "permanent_user_required",
        "detail": "Create an account or sign in to do this.",
        "upgrade_methods": get_adapter().upgrade_methods(),
    }
    assert "email" in body["upgrade_methods"]


def test_the_detail_is_in_the_language_of_the_request(people: People, settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware", *settings.MIDDLEWARE]
    client = APIClient(headers={"accept-language": "de"})
    client.force_authenticate(people.guest)

    with translation.override("en"):  # LocaleMiddleware leaves its language behind
        body = client.get("/permanent/").json()

    assert body["code"] == "permanent_user_required"
    assert body["detail"] != "Create an account or sign in to do this."


@pytest.mark.parametrize("view", ["permanent", "stock-session"])
def test_the_right_follows_the_session_too(people: People, view: str) -> None:
    client = APIClient()
    # REST framework's own class for sessions has nothing to ask visitors for, and says 403.
    assert client.get(f"/{view}/").status_code == (401 if view == "permanent" else 403)
    client.force_login(people.guest)
    assert client.get(f"/{view}/").json()["code"] == "permanent_user_required"
    client.force_login(people.permanent)
    assert client.get(f"/{view}/").status_code == 200


def test_the_right_follows_the_row_and_not_the_token(people: People) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue(people.permanent).access_token}")
    User.objects.filter(pk=people.permanent.pk).update(is_guest=True)

    assert client.get("/permanent/").status_code == 401  # out of date; the client refreshes


def test_permissions_with_operators_are_equal_when_their_parts_are() -> None:
    # drf-spectacular and others compare them.
    assert (IsPermanentUser | IsAdminUser) == (IsPermanentUser | IsAdminUser)
    assert (IsPermanentUser | IsAdminUser) != (IsPermanentUser & IsAdminUser)
    assert len({IsPermanentUser & IsOwner, IsPermanentUser & IsOwner}) == 1


def test_staff_who_are_guests_are_guests_all_the_same(people: People) -> None:
    User.objects.filter(pk=people.guest.pk).update(is_staff=True, is_superuser=True)

    assert people.ask("guest", "GET", "/permanent/") == NO_GUESTS


# --- combined


@pytest.mark.parametrize(
    ("view", "method", "visitor", "guest", "permanent"),
    [
        # What is no guest is a visitor, too: who does not want him adds IsAuthenticated.
        ("not-guest", "GET", LET_IN, NO_GUESTS, LET_IN),
        ("not-permanent", "GET", LET_IN, LET_IN, GUESTS_ONLY),
        ("not-not-guest", "GET", UNKNOWN, LET_IN, GUESTS_ONLY),
        ("both", "GET", UNKNOWN, NO_GUESTS, GUESTS_ONLY),
        ("either", "POST", UNKNOWN, LET_IN, LET_IN),
        ("read-only-or-guest", "GET", LET_IN, LET_IN, LET_IN),
        ("read-only-or-guest", "POST", UNKNOWN, LET_IN, LET_IN),
        # The words are those of the part that refused, in whichever order the parts stand.
        ("permanent-and-paid", "GET", UNKNOWN, NO_GUESTS, PAID),
        ("paid-and-permanent", "GET", UNKNOWN, PAID, PAID),
        ("paid-or-permanent", "GET", UNKNOWN, PAID, LET_IN),
        ("admin-or-permanent", "GET", UNKNOWN, NO_GUESTS, LET_IN),
        ("permanent-or-admin", "GET", UNKNOWN, NO_GUESTS, LET_IN),
        ("signed-in-no-guest", "GET", UNKNOWN, NO_GUESTS, LET_IN),
        ("neither", "GET", LET_IN, NO_GUESTS, GUESTS_ONLY),
        ("not-both", "GET", LET_IN, LET_IN, LET_IN),
        ("three", "GET", UNKNOWN, NO_GUESTS, PAID),
    ],
)
def test_combinations_mean_what_they_say(
    people: People, view: str, method: str, visitor: Any, guest: Any, permanent: Any
) -> None:
    assert people.ask("visitor", method, f"/{view}/") == visitor
    assert people.ask("guest", method, f"/{view}/") == guest
    assert people.ask("permanent", method, f"/{view}/") == permanent


@pytest.mark.parametrize(
    ("view", "method", "visitor", "guest", "permanent"),
    [
        ("permanent", "GET", UNKNOWN, NO_GUESTS, LET_IN),
        ("guest", "GET", UNKNOWN, LET_IN, GUESTS_ONLY),
        ("read-only", "GET", LET_IN, LET_IN, LET_IN),
        ("read-only", "PUT", UNKNOWN, NO_GUESTS, LET_IN),
        ("not-guest", "GET", LET_IN, NO_GUESTS, LET_IN),
        ("not-permanent", "DELETE", LET_IN, LET_IN, GUESTS_ONLY),
        ("not-not-guest", "GET", UNKNOWN, LET_IN, GUESTS_ONLY),
        ("both", "GET", UNKNOWN, NO_GUESTS, GUESTS_ONLY),
        ("either", "PUT", UNKNOWN, LET_IN, LET_IN),
        ("read-only-or-guest", "GET", LET_IN, LET_IN, LET_IN),
        ("read-only-or-guest", "PUT", UNKNOWN, LET_IN, LET_IN),
        ("permanent-or-owner", "GET", UNKNOWN, NO_GUESTS, LET_IN),
        ("permanent-owner", "GET", UNKNOWN, NO_GUESTS, PLAIN),
        ("guest-owner", "GET", UNKNOWN, PLAIN, GUESTS_ONLY),
        ("owner-no-guest", "GET", UNKNOWN, NO_GUESTS, PLAIN),
    ],
)
def test_combinations_mean_the_same_for_somebody_elses_object(
    people: People, view: str, method: str, visitor: Any, guest: Any, permanent: Any
) -> None:
    note = Note.objects.create(owner=User.objects.create_user("bob"), text="Bob's")

    assert people.ask("visitor", method, f"/{view}/{note.pk}/") == visitor
    assert people.ask("guest", method, f"/{view}/{note.pk}/") == guest
    assert people.ask("permanent", method, f"/{view}/{note.pk}/") == permanent


@pytest.mark.parametrize(
    ("view", "guest", "permanent"),
    [
        ("permanent-or-owner", LET_IN, LET_IN),
        ("permanent-owner", NO_GUESTS, LET_IN),
        ("guest-owner", LET_IN, GUESTS_ONLY),
        ("owner-no-guest", NO_GUESTS, LET_IN),
        ("not-guest", NO_GUESTS, LET_IN),
        ("not-permanent", LET_IN, GUESTS_ONLY),
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_combinations_mean_the_same_for_ones_own_object(
    people: People, view: str, method: str, guest: Any, permanent: Any
) -> None:
    his = Note.objects.create(owner=people.guest)
    hers = Note.objects.create(owner=people.permanent)

    assert people.ask("guest", method, f"/{view}/{his.pk}/") == guest
    assert people.ask("permanent", method, f"/{view}/{hers.pk}/") == permanent
