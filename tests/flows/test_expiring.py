"""Guests who will soon be purged are announced, each once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from anonauth.flows.expiring import count_expiring, warn_expiring
from anonauth.models import Watermark
from anonauth.signals import guest_expiring
from tests.signals import connected
from tests.testapp.models import Note

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from anonauth.adapter import Adapter

pytestmark = pytest.mark.django_db
User = get_user_model()
NOW = timezone.now()
RULES: dict[str, Any] = {
    "database": "default",
    "older_than": timedelta(days=30),
    "ahead": timedelta(days=3),
}


class HoldingAdapter(Adapter):
    def can_purge(self, guests: QuerySet[Any]) -> QuerySet[Any]:
        return guests.exclude(nickname="kept")


class JoiningAdapter(Adapter):
    def can_purge(self, guests: QuerySet[Any]) -> QuerySet[Any]:
        return guests.filter(note__text="")


@pytest.fixture
def told() -> Iterator[dict[str, datetime]]:
    """Collect who was announced, and until when he is kept."""
    heard: dict[str, datetime] = {}

    def receiver(user: Any, purge_at: datetime, **kwargs: Any) -> None:
        assert user.username not in heard
        heard[user.username] = purge_at

    guest_expiring.connect(receiver)
    yield heard
    guest_expiring.disconnect(receiver)


def guest(name: str, *, days: float, **fields: Any) -> Any:
    seen = NOW - timedelta(days=days)
    return User.objects.create_user(name, is_guest=True, last_seen_at=seen, **fields)


@pytest.fixture
def warn(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Any:
    def run(**options: Any) -> int:
        with django_capture_on_commit_callbacks(execute=True):
            return warn_expiring(**{**RULES, **options})

    return run


def test_who_will_be_stale_within_the_time_is_announced_once(
    warn: Any, told: dict[str, datetime]
) -> None:
    soon = guest("soon", days=28)
    guest("later", days=26)
    guest("too-late", days=31)
    User.objects.create_user("ann", last_seen_at=NOW - timedelta(days=28))

    assert count_expiring(**RULES) == 1
    assert warn() == 1
    assert told == {"soon": soon.purge_at}
    assert count_expiring(**RULES) == 0
    assert warn() == 0


def test_who_returns_and_goes_again_is_announced_again(
    warn: Any, told: dict[str, datetime]
) -> None:
    user = guest("soon", days=28)
    warn()
    told.clear()
    User.objects.update(last_seen_at=NOW)
    Watermark.objects.update(reached=NOW - timedelta(days=27))  # and thirty days went by
    User.objects.update(last_seen_at=NOW - timedelta(days=27) + timedelta(seconds=1))

    assert warn(ahead=timedelta(days=4)) == 1
    assert set(told) == {user.username}


def test_the_time_ahead_may_change_and_nobody_is_announced_twice(
    warn: Any, told: dict[str, datetime]
) -> None:
    for days in (25, 28):
        guest(f"g{days}", days=days)

    assert [warn(ahead=timedelta(days=d)) for d in (3, 6, 2, 6)] == [1, 1, 0, 0]
    assert set(told) == {"g25", "g28"}


def test_who_is_stale_by_now_is_past_warning_however_long_ago_the_last_one_was(warn: Any) -> None:
    Watermark.objects.create(name="expiring", reached=NOW - timedelta(days=40))
    guest("too-late", days=31)
    guest("soon", days=28)

    assert count_expiring(**RULES) == 1
    assert warn() == 1


@pytest.mark.django_db(transaction=True)
def test_they_are_told_when_it_is_certain_that_nobody_else_tells_them() -> None:
    guest("soon", days=28)
    inside = []

    def receiver(**kwargs: Any) -> None:
        inside.append(connection.in_atomic_block)

    with connected(guest_expiring, receiver):
        warn_expiring(**RULES)
    assert inside == [False]


def test_many_guests_are_announced_in_batches_also_those_seen_at_one_moment(
    warn: Any, told: dict[str, datetime]
) -> None:
    for n in range(9):
        guest(f"g{n}", days=28 if n < 5 else 27.5)

    assert warn(batch_size=2) == 9
    assert len(told) == 9


def test_who_is_held_is_not_announced(
    warn: Any, told: dict[str, datetime], settings: Settings
) -> None:
    settings.ANONAUTH_ADAPTER = "tests.flows.test_expiring.HoldingAdapter"
    guest("kept", days=28, nickname="kept")
    guest("soon", days=28)

    assert warn() == 1
    assert set(told) == {"soon"}


def test_whom_the_adapter_finds_twice_is_announced_once(
    warn: Any, told: dict[str, datetime], settings: Settings
) -> None:
    settings.ANONAUTH_ADAPTER = "tests.flows.test_expiring.JoiningAdapter"
    soon = guest("soon", days=28)
    for _ in range(2):
        Note.objects.create(owner=soon)

    assert count_expiring(**RULES) == 1
    assert warn() == 1
    assert set(told) == {"soon"}


def test_a_warning_before_the_guest_is_there_is_refused_and_moves_no_mark(warn: Any) -> None:
    guest("here", days=0)

    with pytest.raises(ValueError, match="no longer than"):
        warn(ahead=timedelta(days=30))
    assert not Watermark.objects.exists()


def test_a_receiver_that_fails_keeps_nobody_from_being_told(
    warn: Any, told: dict[str, datetime]
) -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError

    with connected(guest_expiring, fail):
        for n in range(3):
            guest(f"g{n}", days=28)
        assert warn() == 3
    assert len(told) == 3
