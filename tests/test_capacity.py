from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache, caches
from django.db import connection

from anonauth.capacity import check_capacity, count_one
from anonauth.exceptions import CapacityReached, RateLimitUnavailable

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries, Settings

User: Any = get_user_model()
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def count_in(request: pytest.FixtureRequest) -> None:
    if request.param == "redis_cache":
        request.getfixturevalue("redis_cache")


both_caches = pytest.mark.parametrize(
    "count_in",
    ["locmem", pytest.param("redis_cache", marks=pytest.mark.redis)],
    indirect=True,
)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def move(seconds: float) -> None:
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + seconds)

    return move


def guests(number: int) -> None:
    User.objects.bulk_create(
        User(username=f"guest-{User.objects.count() + n}", is_guest=True) for n in range(number)
    )


def check(max_guests: int | None = 3) -> None:
    check_capacity(max_guests=max_guests, interval=MINUTE)


@contextmanager
def unreachable(settings: Settings) -> Iterator[None]:
    backend = "django.core.cache.backends.redis.RedisCache"
    before = settings.CACHES
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1"}}
    yield
    settings.CACHES = before


def test_without_a_cap_nothing_is_counted(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(0):
        check(None)
        count_one()
    assert cache.get_many(["anonauth:guests", "anonauth:guests:counted"]) == {}


@both_caches
def test_guests_are_counted_once_an_interval(
    count_in: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    guests(2)
    with django_assert_num_queries(1):
        check()
    with django_assert_num_queries(0):
        for _ in range(10):
            check()


@both_caches
def test_the_cap_is_reached_by_those_who_come_between_two_counts(
    count_in: None, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.ANONAUTH_MAX_GUESTS = 3
    guests(1)
    check()
    with django_assert_num_queries(0):
        count_one()
        check()
        count_one()
        with pytest.raises(CapacityReached):
            check()


def test_permanent_users_take_no_place() -> None:
    User.objects.bulk_create(User(username=f"u{n}") for n in range(5))
    guests(2)
    check(3)


def test_no_place_at_all_is_possible() -> None:
    with pytest.raises(CapacityReached):
        check(0)


def test_purged_guests_give_their_places_back_at_the_next_count(
    later: Callable[[float], None], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    guests(3)
    with pytest.raises(CapacityReached):
        check()
    User.objects.all().delete()
    with pytest.raises(CapacityReached):
        check()
    later(61)
    with django_assert_num_queries(1):
        check()
        check()


def test_the_count_stops_at_the_cap(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    guests(5)
    with (
        django_assert_num_queries(1) as seen,
        pytest.raises(CapacityReached),
    ):
        check(2)
    assert "LIMIT 2" in seen.captured_queries[0]["sql"]
    assert cache.get("anonauth:guests") == 2


def test_while_one_counts_the_others_go_on_with_the_old_number(
    later: Callable[[float], None],
) -> None:
    guests(1)
    check()
    later(61)
    counts = []

    def others_come(execute: Any, *query: Any) -> Any:
        counts.append(query[0])
        for _ in range(20):
            check()
        return execute(*query)

    with connection.execute_wrapper(others_come):
        check()
    assert len(counts) == 1


def test_after_a_flush_nobody_is_let_in_uncounted(later: Callable[[float], None]) -> None:
    guests(3)
    with pytest.raises(CapacityReached):
        check()
    cache.delete("anonauth:guests")  # evicted, while the interval still runs
    with pytest.raises(CapacityReached):
        check()


def test_a_guest_who_comes_before_any_count_is_counted_with_the_rows(
    settings: Settings,
) -> None:
    settings.ANONAUTH_MAX_GUESTS = 3
    count_one()
    assert cache.get("anonauth:guests") is None
    guests(3)
    with pytest.raises(CapacityReached):
        check()


def test_a_higher_cap_holds_at_once() -> None:
    guests(3)
    with pytest.raises(CapacityReached):
        check(3)
    check(4)


def test_without_the_cache_nobody_is_let_in_and_nothing_is_counted(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with (
        unreachable(settings),
        django_assert_num_queries(0),
        pytest.raises(RateLimitUnavailable),
    ):
        check()


def test_without_the_cache_everybody_is_let_in_where_the_project_wants_it(
    settings: Settings,
) -> None:
    settings.ANONAUTH_FAIL_OPEN = True
    with unreachable(settings):
        check(0)


def test_a_guest_who_exists_is_not_refused_for_want_of_a_cache(settings: Settings) -> None:
    settings.ANONAUTH_MAX_GUESTS = 3
    with unreachable(settings):
        count_one()


def test_a_mistake_in_the_settings_is_not_mistaken_for_an_outage(
    settings: Settings,
) -> None:
    settings.ANONAUTH_FAIL_OPEN = True
    settings.CACHES = {**settings.CACHES, "broken": {"BACKEND": "no.such.Cache"}}
    settings.ANONAUTH_RATE_LIMIT_CACHE = "broken"
    with pytest.raises(Exception, match="Could not find backend"):
        check()


def test_the_cache_of_the_rate_limits_is_used(settings: Settings) -> None:
    locmem = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        "limits": {"BACKEND": locmem, "LOCATION": "limits"},
    }
    settings.ANONAUTH_RATE_LIMIT_CACHE = "limits"
    guests(2)
    check()
    assert caches["limits"].get("anonauth:guests") == 2
    caches["limits"].clear()
