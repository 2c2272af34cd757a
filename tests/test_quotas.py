"""How many rows of a kind a guest may own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.checks import run_checks
from django.db import transaction
from django.db.models import Q
from django.db.transaction import TransactionManagementError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from anonauth.adapter import Adapter, GuestQuota
from anonauth.api.errors import exception_handler
from anonauth.api.permissions import WithinGuestQuota
from anonauth.exceptions import QuotaExceeded, UserNotFound
from anonauth.quotas import check_quota, is_within_quota, quota_of, within_quota
from tests.testapp.models import Note, Tag

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
User = get_user_model()


class QuotaAdapter(Adapter):
    """Three notes that are not empty; two tags."""

    def quotas(self) -> Any:
        return (
            GuestQuota("testapp.Note", 3, owner="owner", counted=~Q(text="")),
            GuestQuota("testapp.Tag", 2, owner="users"),
        )


@pytest.fixture(autouse=True)
def adapter(settings: Settings) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.QuotaAdapter"


@pytest.fixture
def guest() -> Any:
    return User.objects.create_user("guest-1", is_guest=True)


def write(user: Any, *texts: str) -> None:
    for text in texts:
        with within_quota(user, Note):
            Note.objects.create(owner=user, text=text)


# --- pages and views


def page(request: HttpRequest) -> HttpResponse:
    write(request.user, "page")
    return HttpResponse("written")


class Notes(APIView):
    """Knows nothing of our errors."""

    quota_model = "testapp.Note"
    permission_classes = [WithinGuestQuota]

    def get(self, request: Request) -> Response:
        return Response({"owned": Note.objects.count()})

    def post(self, request: Request) -> Response:
        write(request.user, "api")
        return Response({}, status=201)


class Unguarded(Notes):
    permission_classes = []


class Ours(Unguarded):
    def get_exception_handler(self) -> Any:
        return exception_handler


urlpatterns = [
    path("page/", page),
    path("notes/", Notes.as_view()),
    path("unguarded/", Unguarded.as_view()),
    path("ours/", Ours.as_view()),
    path("in/", page, name="account_login"),
]


def test_a_guest_owns_what_the_quota_allows_and_not_one_row_more(guest: Any) -> None:
    write(guest, "one", "two", "three")

    with pytest.raises(QuotaExceeded) as refusal:
        write(guest, "four")

    assert (refusal.value.limit, refusal.value.code) == (3, "quota_exceeded")
    assert Note.objects.count() == 3


def test_rows_that_do_not_count_and_rows_of_others_do_not_count(guest: Any) -> None:
    other = User.objects.create_user("guest-2", is_guest=True)
    write(other, "one", "two", "three")
    Note.objects.create(owner=guest, text="")

    write(guest, "one", "two", "three")

    assert not is_within_quota(guest, Note)


def test_a_relation_of_many_to_many_counts_too(guest: Any) -> None:
    for name in ("red", "blue"):
        Tag.objects.create(name=name).users.add(guest)

    with pytest.raises(QuotaExceeded), transaction.atomic():
        check_quota(guest, Tag)


def test_several_rows_at_once_are_all_or_nothing(guest: Any) -> None:
    write(guest, "one")

    with pytest.raises(QuotaExceeded), transaction.atomic():
        check_quota(guest, Note, adding=3)
    with transaction.atomic():
        check_quota(guest, Note, adding=2)


def test_asked_after_the_rows_were_made_it_takes_them_back(guest: Any) -> None:
    write(guest, "one", "two", "three")

    def late() -> None:
        with transaction.atomic():
            Note.objects.create(owner=guest, text="four")
            check_quota(guest, Note, adding=0)

    with pytest.raises(QuotaExceeded):
        late()

    assert Note.objects.count() == 3


def test_a_permanent_user_has_no_quota_and_costs_no_query(
    django_assert_num_queries: Any,
) -> None:
    ann = User.objects.create_user("ann")
    with django_assert_num_queries(0):
        assert is_within_quota(ann, Note)
        check_quota(ann, Note, adding=100)
    write(ann, "one", "two", "three", "four")
    assert Note.objects.count() == 4


def test_a_guest_costs_a_lock_and_a_count(guest: Any, django_assert_num_queries: Any) -> None:
    with transaction.atomic(), django_assert_num_queries(2):
        check_quota(guest, Note)


def test_a_visitor_owns_nothing_and_is_not_asked() -> None:
    assert is_within_quota(AnonymousUser(), Note)
    check_quota(AnonymousUser(), Note)


def test_who_was_upgraded_meanwhile_is_no_guest_any_more(guest: Any) -> None:
    write(guest, "one", "two", "three")
    User.objects.filter(pk=guest.pk).update(is_guest=False)

    write(guest, "four")  # the instance at hand is older than the row

    assert Note.objects.count() == 4


def test_who_is_gone_meanwhile_adds_nothing(guest: Any) -> None:
    User.objects.filter(pk=guest.pk).delete()

    with pytest.raises(UserNotFound), transaction.atomic():
        check_quota(guest, Note)


@pytest.mark.django_db(transaction=True)
def test_without_a_transaction_there_would_be_no_lock(guest: Any) -> None:
    with pytest.raises(TransactionManagementError, match="atomic"):
        check_quota(guest, Note)


def test_a_model_without_a_quota_is_a_mistake_of_the_programmer(guest: Any) -> None:
    with pytest.raises(LookupError, match=r"testapp\.User"):
        quota_of(User)


# --- what clients are told


@pytest.fixture
def full(guest: Any) -> Any:
    write(guest, "one", "two", "three")
    return guest


def signed_in(user: Any) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


BODY = {
    "code": "quota_exceeded",
    "detail": "Anonymous users cannot have more of these. Create an account or sign in.",
}


def test_our_handler_tells_limit_and_ways_to_upgrade(full: Any) -> None:
    answer = signed_in(full).post("/ours/")

    methods = Adapter().upgrade_methods()
    assert methods
    assert (answer.status_code, answer.json()) == (
        403,
        {**BODY, "limit": 3, "upgrade_methods": methods},
    )


@pytest.mark.parametrize("url", ["/notes/", "/unguarded/"])
def test_rest_framework_s_handler_tells_the_same_in_its_own_way(full: Any, url: str) -> None:
    answer = signed_in(full).post(url)

    # It makes text of what it shows.
    assert (answer.status_code, answer.json()) == (
        403,
        {**BODY, "limit": "3", "upgrade_methods": Adapter().upgrade_methods()},
    )


def test_the_permission_lets_read_and_lets_others_write(full: Any) -> None:
    assert signed_in(full).get("/notes/").status_code == 200
    assert signed_in(User.objects.create_user("ann")).post("/notes/").status_code == 201


def test_a_page_shows_the_way_up(full: Any, settings: Settings) -> None:
    settings.ANONAUTH_UPGRADE_URL = "/keep/"
    client = Client()
    client.force_login(full)

    answer = client.post("/page/")

    assert answer.status_code == 403
    assert b'href="/keep/"' in answer.content
    assert "no-store" in answer["Cache-Control"]


def test_a_script_of_a_page_is_told_in_json(full: Any) -> None:
    client = Client(headers={"accept": "application/json"})
    client.force_login(full)

    answer = client.post("/page/")

    assert (answer.status_code, answer.json()["code"]) == (403, "quota_exceeded")
    assert answer.json()["limit"] == 3


def test_without_our_middleware_it_is_still_a_403(full: Any, settings: Settings) -> None:
    settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if "anonauth" not in m]
    client = Client()
    client.force_login(full)

    assert client.post("/page/").status_code == 403


class MistakenAdapter(Adapter):
    def quotas(self) -> Sequence[GuestQuota]:
        return [
            GuestQuota("testapp.Note", 3, owner="owner"),
            GuestQuota("testapp.Nowt", 3),
            GuestQuota("Note", 3),
            GuestQuota("testapp.Note", 3),
            GuestQuota("testapp.Note", 3, owner="owner", counted=Q(length=1)),
        ]


def test_a_quota_that_names_nothing_is_an_error_of_the_checks(settings: Settings) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.MistakenAdapter"
    faults = [m for m in run_checks(tags=["anonauth"], databases=[]) if m.id == "anonauth.E007"]
    named = ("testapp.Nowt", "'Note'", "testapp.Note", "testapp.Note")
    assert [name in fault.msg for name, fault in zip(named, faults, strict=True)] == [True] * 4
