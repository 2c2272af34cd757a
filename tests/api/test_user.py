"""GET and DELETE user/."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from anonauth.adapter import Adapter
from anonauth.signals import guest_purged
from tests.client import Api
from tests.signals import connected
from tests.testapp.models import Note, Receipt, Tag

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db
User = get_user_model()


class HoldingAdapter(Adapter):
    def can_purge(self, guests: QuerySet[Any]) -> QuerySet[Any]:
        return guests.exclude(note__text="paid")


class TalkativeAdapter(Adapter):
    def user_payload(self, user: Any) -> dict[str, Any]:
        return {**super().user_payload(user), "nickname": user.nickname}


def test_a_visitor_is_nobody(api: Api) -> None:
    answer = api.get("user/")

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_visitor_of_a_project_without_tokens_is_answered_401_too(
    api: Api, settings: Settings
) -> None:
    settings.ANONAUTH_CREDENTIALS = ["session"]

    answer = api.get("user/")

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Session realm="api"')


def test_asking_who_one_is_costs_one_query(
    api: Api, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    user = api.sign_in()

    with django_assert_num_queries(1):
        assert api.get("user/").json() == user


def test_the_session_of_a_guest_who_uses_the_api_lives_on(api: Api) -> None:
    api.sign_in(credentials="session")
    User.objects.update(last_seen_at=timezone.now() - timedelta(days=29))

    assert "sessionid" in api.get("user/").cookies
    assert "sessionid" not in api.get("user/").cookies


def test_a_permanent_user_is_not_anonymous_and_is_never_purged(api: Api) -> None:
    user = User.objects.create_user("ann", "ann@example.com", "secret")
    api.http.force_login(user)

    body = api.get("user/").json()

    assert body["is_anonymous"] is False
    assert body["email"] == "ann@example.com"
    assert body["purge_at"] is None
    assert body["created_at"] is not None


def test_a_placeholder_is_not_shown_as_an_address(api: Api) -> None:
    user = User.objects.create_user("ann", "ann@guest.invalid")
    api.http.force_login(user)

    assert api.get("user/").json()["email"] is None


def test_an_address_that_a_guest_has_not_proved_is_not_called_his(api: Api) -> None:
    api.sign_in()
    User.objects.update(email="victim@example.com")

    assert api.get("user/").json()["email"] is None


def test_a_project_may_say_more_of_a_user(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_ADAPTER = "tests.api.test_user.TalkativeAdapter"
    api.sign_in()
    User.objects.update(nickname="Zoë")

    assert api.get("user/").json()["nickname"] == "Zoë"


def test_a_guest_erases_himself_with_all_that_is_his(api: Api) -> None:
    api.sign_in()
    guest = User.objects.get()
    other = User.objects.create_user("other")
    Note.objects.create(owner=guest)
    kept = Note.objects.create(owner=other)
    Tag.objects.create(name="t").users.add(guest, other)

    answer = api.delete("user/")

    assert (answer.status_code, answer.content) == (204, b"")
    assert list(User.objects.all()) == [other]
    assert list(Note.objects.all()) == [kept]
    assert list(Tag.objects.get().users.all()) == [other]


def test_an_erased_guests_token_is_answered_401(api: Api) -> None:
    api.sign_in()
    api.delete("user/")

    for answer in (api.get("user/"), api.refresh(), api.delete("user/")):
        assert (answer.status_code, answer.json()["code"]) == (401, "user_not_found")


def test_an_erased_guests_session_is_gone(api: Api) -> None:
    api.sign_in(credentials="session")

    answer = api.delete("user/")

    assert answer.cookies["sessionid"].value == ""
    assert api.get("user/").json()["code"] == "not_authenticated"


def test_a_guest_deleted_elsewhere_has_a_session_that_is_answered_401(api: Api) -> None:
    api.sign_in(credentials="session")
    User.objects.all().delete()

    assert api.get("user/").status_code == 401


def test_a_permanent_user_cannot_erase_himself_here(api: Api) -> None:
    user = User.objects.create_user("ann")
    api.http.force_login(user)
    api.http.cookies["csrftoken"] = "a" * 32

    answer = api.delete("user/")

    assert (answer.status_code, answer.json()["code"]) == (403, "not_anonymous")
    assert User.objects.filter(pk=user.pk).exists()


def test_a_guest_who_was_upgraded_meanwhile_is_not_erased(api: Api) -> None:
    api.sign_in(credentials="session")
    User.objects.update(is_guest=False, upgraded_at=timezone.now())

    assert api.delete("user/").json()["code"] == "not_anonymous"
    assert User.objects.count() == 1


def test_protected_rows_keep_the_guest_whole(api: Api) -> None:
    api.sign_in()
    guest = User.objects.get()
    Note.objects.create(owner=guest)
    Receipt.objects.create(owner=guest)

    answer = api.delete("user/")

    assert (answer.status_code, answer.json()["code"]) == (409, "protected_data")
    assert (User.objects.count(), Note.objects.count()) == (1, 1)
    assert api.get("user/").status_code == 200


def test_the_projects_hold_keeps_the_guest(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_ADAPTER = "tests.api.test_user.HoldingAdapter"
    api.sign_in()
    Note.objects.create(owner=User.objects.get(), text="paid")

    assert api.delete("user/").json()["code"] == "protected_data"
    assert User.objects.count() == 1


def test_receivers_hear_that_a_guest_is_gone(
    api: Api, django_capture_on_commit_callbacks: Any
) -> None:
    user = api.sign_in()
    heard: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        heard.append(str(kwargs["user_id"]))

    with connected(guest_purged, receiver), django_capture_on_commit_callbacks(execute=True):
        api.delete("user/")

    assert heard == [user["id"]]


@pytest.mark.parametrize("kind", ["jwt", "session"])
def test_a_banned_guest_is_out_at_once(api: Api, kind: str) -> None:
    api.sign_in(credentials=kind)
    User.objects.update(is_active=False)

    assert api.get("user/").status_code == 401
    if kind == "jwt":
        assert api.get("user/").json()["code"] == "user_inactive"
        assert api.refresh().json()["code"] == "user_inactive"


def test_a_banned_guest_is_out_even_where_inactive_users_may_pass(
    api: Api, simple_jwt: Any
) -> None:
    simple_jwt(CHECK_USER_IS_ACTIVE=False)
    api.sign_in()
    User.objects.update(is_active=False)

    assert api.get("user/").json()["code"] == "user_inactive"
    assert api.refresh().json()["code"] == "user_inactive"
