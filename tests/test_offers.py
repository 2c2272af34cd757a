"""Merge offers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from anonauth.models import is_trace
from anonauth.offers import KEY, forget, offered_guest, remember

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()


@pytest.fixture
def guest() -> Any:
    return User.objects.create_user("guest-1", is_guest=True)


@pytest.fixture
def account() -> Any:
    return User.objects.create_user("ann", password="secret")


@pytest.fixture
def session(guest: Any, account: Any) -> Any:
    """A session as the next request finds it."""
    session = SessionStore()
    remember(session, guest=guest, account=account)
    session.save()
    return SessionStore(session.session_key)


def test_the_session_of_the_account_remembers_the_guest(
    session: Any, guest: Any, account: Any
) -> None:
    assert offered_guest(session, account=account) == guest


def test_a_session_that_is_none_or_remembers_nobody_has_no_offer(account: Any) -> None:
    sessions: list[Any] = [None, {}, SessionStore()]
    for session in sessions:
        assert offered_guest(session, account=account) is None


def test_another_account_is_offered_nothing(session: Any) -> None:
    bob = User.objects.create_user("bob")
    assert offered_guest(session, account=bob) is None


def test_an_offer_is_good_for_its_time(
    session: Any,
    guest: Any,
    account: Any,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.ANONAUTH_MERGE_OFFER_LIFETIME = timedelta(hours=1)
    now = timezone.now()
    for seconds, expected in ((3590, guest), (3602, None)):
        later = now + timedelta(seconds=seconds)
        monkeypatch.setattr("anonauth.offers.timezone.now", lambda at=later: at)
        assert offered_guest(session, account=account) == expected


@pytest.mark.parametrize(
    "change",
    [{"is_guest": False}, {"is_active": False}, {"credentials_revoked_at": "2026-01-01T00:00:00Z"}],
)
def test_a_guest_who_changed_since_is_not_offered(
    session: Any, guest: Any, account: Any, change: dict[str, Any]
) -> None:
    User.objects.filter(pk=guest.pk).update(**change)
    assert offered_guest(session, account=account) is None


def test_of_a_guest_who_is_gone_only_the_key_is_left(
    session: Any, guest: Any, account: Any
) -> None:
    key = guest.pk
    guest.delete()

    found = offered_guest(session, account=account)

    assert found is not None
    assert (found.pk, is_trace(found)) == (key, True)


def test_a_session_that_forgot_is_stored(session: Any) -> None:
    forget(session)

    assert KEY not in SessionStore(session.session_key)


def test_forgetting_nothing_makes_no_session() -> None:
    session = SessionStore()
    forget(session)
    assert session.session_key is None
