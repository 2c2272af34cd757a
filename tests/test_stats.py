"""The numbers of the statistics, compared with a log that forgets nothing."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from anonauth.flows.last_seen import touch
from anonauth.flows.merge import merge
from anonauth.flows.purge import purge_guest
from anonauth.flows.sign_in import SignInFacts, sign_in
from anonauth.flows.upgrade import upgrade
from anonauth.models import DailyTally
from anonauth.stats import COHORT_WEEKS, created_since, statistics, upgraded_since

if TYPE_CHECKING:
    from pytest_django import (
        DjangoAssertNumQueries,
        DjangoCaptureOnCommitCallbacks,
        Settings,
    )

User: Any = get_user_model()
DAY = timedelta(days=1)
BEGIN = datetime(2026, 3, 4, tzinfo=UTC)
METHODS = ("email", "phone", "social", "passkey")


@dataclass
class Life:
    """What the log knows of one guest."""

    created: datetime
    seen: datetime
    end: datetime | None = None
    how: str = "guest"  # or merged, purged, or the method of an upgrade
    deleted: bool = False  # the account, later

    @property
    def upgraded(self) -> bool:
        return self.how in METHODS


@dataclass
class World:
    """Sixty days of a project, by the flows, and the log of them."""

    chance: random.Random
    monkeypatch: pytest.MonkeyPatch
    account: Any
    now: datetime = BEGIN
    log: dict[Any, Life] = field(default_factory=dict)
    refusals: list[tuple[date, str]] = field(default_factory=list)

    def live(self, days: int) -> None:
        for number in range(days):
            midnight = BEGIN + number * DAY
            moments = sorted(
                self.chance.uniform(0, 86399.9) for _ in range(self.chance.randint(2, 12))
            )
            for seconds in moments:
                self.at(midnight + timedelta(seconds=seconds))
                acts = [self.arrive, self.visit, self.prove, self.merge, self.purge, self.close]
                self.chance.choices(acts, weights=[6, 6, 2, 1, 2, 1])[0]()
                if self.chance.random() < 0.3:
                    self.refuse()

    def at(self, moment: datetime) -> None:
        self.now = moment
        self.monkeypatch.setattr(timezone, "now", lambda: moment)

    def somebody(self, *, guest: bool = True) -> Any:
        keys = [
            key
            for key, life in self.log.items()
            if (life.end is None if guest else life.upgraded and not life.deleted)
        ]
        return self.chance.choice(keys) if keys else None

    def arrive(self) -> None:
        user = sign_in(facts=SignInFacts()).user
        self.log[user.pk] = Life(created=self.now, seen=self.now)

    def visit(self) -> None:
        if key := self.somebody():
            touch(User.objects.get(pk=key), interval=timedelta())
            self.log[key].seen = self.now

    def prove(self) -> None:
        if key := self.somebody():
            method = self.chance.choice(METHODS)
            upgrade(User.objects.get(pk=key), method=method)
            self.end(key, method)

    def merge(self) -> None:
        if key := self.somebody():
            merge(guest=User.objects.get(pk=key), into=self.account)
            self.end(key, "merged")

    def purge(self) -> None:
        if key := self.somebody():
            purge_guest(user_id=key)
            self.end(key, "purged")

    def close(self) -> None:
        """The owner of an account deletes it; the project does that without asking anonauth."""
        if key := self.somebody(guest=False):
            User.objects.get(pk=key).delete()
            self.log[key].deleted = True

    def refuse(self) -> None:
        code = self.chance.choice(["rate_limited", "captcha_failed", "captcha_failed"])
        DailyTally.objects.add("refused", code)
        self.refusals.append((self.now.date(), code))

    def end(self, key: Any, how: str) -> None:
        self.log[key].end, self.log[key].how = self.now, how


@pytest.fixture(params=[1, 2])
def world(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> World:
    account = User.objects.create_user("account")
    world = World(random.Random(request.param), monkeypatch, account)
    world.live(60)
    world.at(BEGIN + 59 * DAY + timedelta(hours=23, minutes=59, seconds=59.95))
    return world


def days_of(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += DAY


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow  # what a guest's life costs, some hundred times
def test_after_sixty_days_every_number_is_that_of_the_full_log(
    world: World, settings: Settings
) -> None:
    log = list(world.log.values())
    assert {"merged", "purged", "guest", *METHODS} == {life.how for life in log}
    assert any(life.deleted for life in log)

    for number in (1, 7, 30, 60, 90):
        # That people look from elsewhere moves no number to another day.
        settings.TIME_ZONE = "Pacific/Kiritimati" if number == 60 else "UTC"
        found = statistics(days=number, now=world.now)

        today = world.now.date()
        first = today - (number - 1) * DAY
        assert [day.day for day in found.days] == list(days_of(first, today))
        for day in found.days:
            ended = [life for life in log if life.end and life.end.date() == day.day]
            assert day.created == sum(life.created.date() == day.day for life in log)
            assert day.last_seen == sum(
                life.end is None and life.seen.date() == day.day for life in log
            )
            assert day.upgraded == Counter(life.how for life in ended if life.upgraded)
            assert day.merged == sum(life.how == "merged" for life in ended)
            assert day.purged == sum(life.how == "purged" for life in ended)
            assert day.guests == sum(
                life.created.date() <= day.day and (life.end is None or life.end.date() > day.day)
                for life in log
            )
        here = [life for life in log if life.end is None]
        assert found.guests == len(here)
        assert found.seen_in_a_day == sum(life.seen >= world.now - DAY for life in here)
        assert found.seen_in_a_week == sum(life.seen >= world.now - 7 * DAY for life in here)
        assert found.refusals == Counter(code for day_, code in world.refusals if day_ >= first)
        ages = [
            life.end - life.created
            for life in log
            if life.upgraded and not life.deleted and life.end and life.end.date() >= first
        ]
        assert found.median_time_to_upgrade == median(ages)
        compare_cohorts(found, log)


def median(ages: list[timedelta]) -> timedelta | None:
    middle = sorted(ages)[(len(ages) - 1) // 2 : len(ages) // 2 + 1]
    return sum(middle, timedelta()) / len(middle) if ages else None


def compare_cohorts(found: Any, log: list[Life]) -> None:
    assert len(found.cohorts) == COHORT_WEEKS
    for cohort in found.cohorts:
        assert cohort.week.isoweekday() == 1
        its = [life for life in log if cohort.week <= life.created.date() < cohort.week + 7 * DAY]
        accounts = sum(life.upgraded for life in its)
        assert (cohort.created, cohort.upgraded) == (len(its), accounts)
        assert cohort.merged == sum(life.how == "merged" for life in its)
        assert cohort.rate == (accounts / len(its) if its else None)
    assert found.cohorts[-1].week <= found.at.date() < found.cohorts[-1].week + 7 * DAY


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [2, 40])
def test_the_statistics_are_six_statements_for_any_number_of_rows(
    rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    now = timezone.now()
    for number in range(rows):
        since = now - number * DAY
        user = User.objects.create_user(f"g{number}", is_guest=True, guest_since=since)
        if number % 2:
            User.objects.filter(pk=user.pk).update(is_guest=False, upgraded_at=now)

    with django_assert_num_queries(6):
        found = statistics(days=90, now=now)

    assert found.guests == rows // 2
    assert found.median_time_to_upgrade is not None


@pytest.mark.django_db
def test_where_nothing_happened_all_is_zero_and_no_rate_is_made_up() -> None:
    found = statistics(days=7, now=timezone.now())

    assert (found.guests, found.created, found.merged, found.purged) == (0, 0, 0, 0)
    assert found.upgraded == {}
    assert found.refusals == {}
    assert found.median_time_to_upgrade is None
    assert {cohort.rate for cohort in found.cohorts} == {None}


@pytest.mark.django_db
def test_what_was_made_and_upgraded_in_the_last_hour_is_counted() -> None:
    now = timezone.now()
    for number, minutes in enumerate((5, 50, 70)):
        since = now - timedelta(minutes=minutes)
        User.objects.create_user(f"g{number}", is_guest=True, guest_since=since)
    upgrade(User.objects.get(username="g0"), method="email")

    assert created_since(now - timedelta(hours=1)) == 2
    assert upgraded_since(now - timedelta(hours=1)) == 1
    assert upgraded_since(now + timedelta(hours=1)) == 0


@pytest.mark.django_db
def test_the_index_of_upgraded_users_holds_what_the_median_needs_and_no_guest() -> None:
    (index,) = [index for index in User._meta.indexes if index.name == "user_perm"]
    table = User._meta.db_table
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'user_perm'"
            if connection.vendor == "postgresql"
            else "SELECT sql FROM sqlite_master WHERE name = 'user_perm'"
        )
        (definition,) = cursor.fetchone()

    assert constraints["user_perm"]["columns"] == index.fields == ["upgraded_at", "guest_since"]
    assert "upgraded_at" in definition.partition("WHERE")[2]
    assert "IS NOT NULL" in definition.partition("WHERE")[2]


@pytest.mark.django_db
def test_without_time_zones_days_are_those_of_the_one_that_is_set(
    settings: Settings, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
    for name in ("upgrades", "goes"):
        user = sign_in(facts=SignInFacts()).user
        if name == "upgrades":
            with django_capture_on_commit_callbacks(execute=True):
                upgrade(user, method="email")
        else:
            purge_guest(user_id=user.pk)

    found = statistics(days=7, now=timezone.now())

    assert (found.created, found.upgraded, found.purged) == (2, {"email": 1}, 1)
    assert [day.guests for day in found.days] == [0] * 7
