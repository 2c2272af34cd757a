"""What allauth has to know of an upgrade."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.headless.internal import authkit
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from anonauth.contrib.allauth.door import upgrade
from tests.contrib.allauth.people import Guest, Headless

pytestmark = pytest.mark.django_db


def request_of(guest: Guest) -> Any:
    request = RequestFactory().get("/")
    request.session = guest.http.session
    request.user = get_user(request)
    return request


def test_the_user_of_the_request_changes_with_the_row(guest: Guest) -> None:
    request = request_of(guest)

    assert upgrade(guest.row, method="email", request=request) is True

    assert request.user.is_guest is False
    assert request.user.get_session_auth_hash() == guest.row.get_session_auth_hash()


def test_the_session_has_its_row_under_its_new_key(guest: Guest) -> None:
    request = request_of(guest)
    UserSession.objects.create_from_request(request)

    upgrade(guest.row, method="email", request=request)

    (row,) = UserSession.objects.all()
    assert row.session_key == request.session.session_key != guest.key
    assert UserSession.objects.purge_and_list(guest.row) == [row]


def test_a_second_upgrade_leaves_the_session_alone(guest: Guest) -> None:
    request = request_of(guest)
    upgrade(guest.row, method="email", request=request)
    key = request.session.session_key

    assert upgrade(guest.row, method="social", request=request) is False

    assert request.session.session_key == key


def test_without_a_request_it_is_an_upgrade_all_the_same(guest: Guest) -> None:
    assert upgrade(guest.row, method="email") is True
    assert guest.here is None


def test_allauth_exposes_tokens_where_the_user_changed_during_the_request(
    headless: Callable[[str], Headless], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The attribute that the door resets is allauth's own: were it renamed, an app would be left without tokens.
    seen: list[Any] = []
    original = authkit.expose_access_token

    def expose(request: Any) -> Any:
        seen.append(request.allauth.headless._pre_user)
        return original(request)

    monkeypatch.setattr(authkit, "expose_access_token", expose)
    monkeypatch.setattr("allauth.headless.base.response.authkit.expose_access_token", expose)
    guest = headless("app")
    guest.call("GET", "auth/session")
    assert str(seen[-1].pk) == guest.id

    body = {"provider": "dummy", "process": "connect", "token": {"id_token": '{"id": 5}'}}
    guest.call("POST", "auth/provider/token", body)

    assert isinstance(seen[-1], AnonymousUser)
