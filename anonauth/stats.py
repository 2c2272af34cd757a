"""What the guests do, by day: from the rows that are there, and from the tallies of those who are gone.

Days are those of UTC. A guest who leaves the guests, by whatever door, is tallied for the day on which he was made, so
that no number of the past changes when rows are purged, merged or, later, deleted by the project.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import TruncDate

from anonauth.models import DailyTally, day_of
from anonauth.tally import DEPARTED, MERGED, PURGED, REFUSED, UPGRADED

#: How many weeks of newcomers the conversion is told of, the present one included.
COHORT_WEEKS = 13
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """One day; ``guests`` is how many there were at its end, ``last_seen`` how many have not come back since."""

    day: date
    created: int
    last_seen: int
    upgraded: Mapping[str, int]
    merged: int
    purged: int
    guests: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """The guests made in a week, by its Monday, and what has become of them until now."""

    week: date
    created: int
    upgraded: int
    merged: int

    @property
    def rate(self) -> float | None:
        """The part of them that made an account; None if there were none."""
        return self.upgraded / self.created if self.created else None


@dataclass(frozen=True, slots=True)
class Statistics:
    """All that the admin's page and ``anonymous_stats`` show."""

    at: datetime
    guests: int
    seen_in_a_day: int
    seen_in_a_week: int
    days: tuple[Day, ...]
    cohorts: tuple[Cohort, ...]
    refusals: Mapping[str, int]
    median_time_to_upgrade: timedelta | None

    @property
    def created(self) -> int:
        """Guests made in these days."""
        return sum(day.created for day in self.days)

    @property
    def upgraded(self) -> Counter[str]:
        """Upgrades in these days, by method."""
        return sum((Counter(day.upgraded) for day in self.days), Counter())

    @property
    def merged(self) -> int:
        """Guests merged into an account in these days."""
        return sum(day.merged for day in self.days)

    @property
    def purged(self) -> int:
        """Guests purged in these days."""
        return sum(day.purged for day in self.days)


def statistics(*, days: int, now: datetime) -> Statistics:
    """Return the numbers of some days, today included; six statements, however many rows there are.

    Args:
        days: at least 1.
        now: the moment until which is counted.
    """
    today = day_of(now)
    first = today - (days - 1) * DAY
    monday = today - today.weekday() * DAY - (COHORT_WEEKS - 1) * 7 * DAY
    begin = min(first, monday)
    guests = get_user_model()._base_manager.filter(is_guest=True)
    tallies = _tallies(begin, first)
    made = guests.filter(guest_since__gte=_midnight(begin))
    created = _number_by_day(made, "guest_since") + tallies.departed
    seen = _number_by_day(guests, "last_seen_at")
    lately = guests.filter(last_seen_at__gte=now - 7 * DAY).aggregate(
        week=Count("*"), day=Count("last_seen_at", filter=Q(last_seen_at__gte=now - DAY))
    )
    return Statistics(
        at=now,
        guests=seen.total(),
        seen_in_a_day=lately["day"],
        seen_in_a_week=lately["week"],
        days=_days(first, today, created, seen, tallies),
        cohorts=_cohorts(monday, created, tallies),
        refusals=dict(tallies.refused.most_common()),
        median_time_to_upgrade=_median_age(since=_midnight(first)),
    )


def created_since(moment: datetime) -> int:
    """Return how many users who are still there were made as guests after a moment."""
    return get_user_model()._base_manager.filter(guest_since__gte=moment).count()


def upgraded_since(moment: datetime) -> int:
    """Return how many users who are still there were upgraded after a moment."""
    return get_user_model()._base_manager.filter(upgraded_at__gte=moment).count()


@dataclass(frozen=True, slots=True)
class _Tallies:
    upgraded: dict[date, Counter[str]]
    merged: Counter[date]
    purged: Counter[date]
    refused: Counter[str]
    departed: Counter[date]  # of those made on a day, who is no guest any more
    converted: Counter[date]  # and who of them made an account
    joined: Counter[date]  # and who of them was merged into one


def _tallies(begin: date, first: date) -> _Tallies:
    found = _Tallies({}, *(Counter() for _ in range(6)))
    rows = DailyTally.objects.filter(day__gte=begin)
    for day, event, label, count in rows.values_list("day", "event", "label", "count"):
        if event == UPGRADED:
            found.upgraded.setdefault(day, Counter())[label] += count
        elif event == MERGED:
            found.merged[day] += count
        elif event == PURGED:
            found.purged[day] += count
        elif event == REFUSED and day >= first:
            found.refused[label] += count
        elif event == DEPARTED:
            found.departed[day] += count
            found.converted[day] += count if label == UPGRADED else 0
            found.joined[day] += count if label == MERGED else 0
    return found


def _number_by_day(rows: QuerySet[Any], field: str) -> Counter[Any]:
    # One thing to count and to group by: with more, PostgreSQL takes twice the time for a million rows.
    days = rows.annotate(_day=TruncDate(field, tzinfo=UTC)).values("_day").order_by()
    return Counter(dict(days.annotate(_number=Count("*")).values_list("_day", "_number")))


def _days(
    first: date,
    today: date,
    created: Counter[date],
    seen: Counter[date],
    tallies: _Tallies,
) -> tuple[Day, ...]:
    """Return the days in their order; how many guests there were is reckoned backwards from how many there are."""
    found = []
    guests = seen.total()
    day = today
    while day >= first:
        upgraded = tallies.upgraded.get(day, Counter())
        gone = upgraded.total() + tallies.merged[day] + tallies.purged[day]
        found.append(
            Day(
                day=day,
                created=created[day],
                last_seen=seen[day],
                upgraded=dict(upgraded),
                merged=tallies.merged[day],
                purged=tallies.purged[day],
                guests=max(0, guests),
            )
        )
        guests += gone - created[day]
        day -= DAY
    return tuple(reversed(found))


def _cohorts(monday: date, created: Counter[date], tallies: _Tallies) -> tuple[Cohort, ...]:
    weeks = [monday + number * 7 * DAY for number in range(COHORT_WEEKS)]
    return tuple(
        Cohort(
            week=week,
            created=_in_week(created, week),
            upgraded=_in_week(tallies.converted, week),
            merged=_in_week(tallies.joined, week),
        )
        for week in weeks
    )


def _in_week(numbers: Counter[date], monday: date) -> int:
    return sum(numbers[monday + weekday * DAY] for weekday in range(7))


def _median_age(*, since: datetime) -> timedelta | None:
    """Return the median time that users were guests who were upgraded since a moment and are still there."""
    rows = get_user_model()._base_manager.filter(upgraded_at__gte=since, guest_since__isnull=False)
    number = rows.count()
    if not number:
        return None
    age = ExpressionWrapper(F("upgraded_at") - F("guest_since"), output_field=DurationField())
    ages = rows.annotate(_age=age).order_by("_age").values_list("_age", flat=True)
    middle = list(ages[(number - 1) // 2 : number // 2 + 1])
    # One that was deleted meanwhile may leave one or none of the two.
    return sum(middle, timedelta()) / len(middle) if middle else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC if settings.USE_TZ else None)
