"""The first password of a user who became permanent without one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.signals import password_set
from django.contrib.auth import get_user_model
from django.core import mail

from tests.client import Api
from tests.contrib.allauth.by_code import ADA, PASSWORD, new_guest, start, verify
from tests.signals import connected

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)
User = get_user_model()


@pytest.fixture
def member(settings: Settings) -> Api:
    """Give a user without a password, signed in with tokens."""
    settings.ANONAUTH_CODE_INTERVAL = timedelta(0)
    return upgraded()


def upgraded(**body: Any) -> Api:
    api = new_guest(**body)
    answer = verify(api, start(api))
    assert answer.status_code == 200
    if "access" in answer.json():
        api.tokens = answer.json()
    return api


def test_the_password_opens_the_account(member: Api) -> None:
    answer = member.post("user/password/", {"password": PASSWORD})

    assert answer.status_code == 200
    assert answer.json()["user"]["email"] == ADA
    assert User.objects.get().check_password(PASSWORD)
    assert Api().post("token/", {"email": ADA, "password": PASSWORD}).status_code == 200
    assert "no-store" in answer["Cache-Control"]


def test_all_other_sessions_and_tokens_end(member: Api) -> None:
    user = User.objects.get()
    browser = Api()
    browser.http.force_login(user)
    fresh = member.post("user/password/", {"password": PASSWORD}).json()

    assert member.get("user/").json()["code"] == "token_revoked"
    assert member.refresh().json()["code"] == "token_revoked"
    assert browser.get("user/").status_code == 401
    member.tokens = fresh
    assert member.get("user/").status_code == 200
    assert member.refresh().status_code == 200


def test_a_session_goes_on_under_a_new_key() -> None:
    api = upgraded(credentials="session")
    before = api.http.cookies["sessionid"].value

    answer = api.post("user/password/", {"password": PASSWORD})

    assert (answer.status_code, answer.json()["credentials"]) == (200, "session")
    assert api.http.cookies["sessionid"].value != before
    assert api.get("user/").status_code == 200
    old = Api()
    old.http.cookies["sessionid"] = before
    assert old.get("user/").status_code == 401


def test_a_password_that_exists_is_not_replaced(member: Api) -> None:
    member.tokens = member.post("user/password/", {"password": PASSWORD}).json()

    answer = member.post("user/password/", {"password": "another good password"})

    assert (answer.status_code, answer.json()["code"]) == (409, "password_exists")
    assert User.objects.get().check_password(PASSWORD)


def test_a_guest_and_a_visitor_set_none() -> None:
    guest = new_guest()

    answer = guest.post("user/password/", {"password": PASSWORD})

    assert (answer.status_code, answer.json()["code"]) == (403, "permanent_user_required")
    assert not User.objects.get().has_usable_password()
    assert Api().post("user/password/", {"password": PASSWORD}).status_code == 401


def test_the_validators_of_the_project_decide(member: Api, settings: Settings) -> None:
    names = ("UserAttributeSimilarityValidator", "MinimumLengthValidator")
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": f"django.contrib.auth.password_validation.{name}"} for name in names
    ]

    for password in ("12345", ADA):
        answer = member.post("user/password/", {"password": password})
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["password"])
    assert not User.objects.get().has_usable_password()
    assert member.get("user/").status_code == 200


def test_a_session_needs_its_csrf_token() -> None:
    api = upgraded(credentials="session")

    answer = api.post("user/password/", {"password": PASSWORD}, X_CSRFToken="")

    assert answer.json()["code"] == "csrf_failed"
    assert not User.objects.get().has_usable_password()


def test_receivers_of_allauth_and_the_owner_hear_of_it(member: Api, settings: Settings) -> None:
    settings.ACCOUNT_EMAIL_NOTIFICATIONS = True
    mail.outbox.clear()
    heard: list[Any] = []

    def receiver(user: Any, **kwargs: Any) -> None:
        heard.append(user.pk)

    with connected(password_set, receiver):
        member.post("user/password/", {"password": PASSWORD})

    assert heard == [User.objects.get().pk]
    assert [message.to for message in mail.outbox] == [[ADA]]
    assert PASSWORD not in mail.outbox[0].body
