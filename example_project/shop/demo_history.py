"""Ninety days of guests for the statistics of the demo, always the same ones; loading it twice changes nothing."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from datetime import UTC, date, datetime, timedelta

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.utils import timezone

from anonauth.models import DailyTally
from example_project.accounts.models import User

DAYS = 90
KEPT = 30  # days without a visit, after which a guest was purged
NAME = "demo-guest-"
REFUSALS = {"rate_limited": 7, "code_incorrect": 5, "captcha_failed": 3, "email_taken": 2}
METHODS = ["email"] * 6 + ["social"] * 3 + ["passkey"]


def load_history(now: datetime | None = None) -> None:
    """Make guests who came, came back, made an account, merged or were purged; the last of them are still there."""
    if User.objects.filter(username__startswith=NAME).exists():
        return
    now = now or timezone.now()
    chance = random.Random(90)  # noqa: S311  the demo has no secrets
    users: list[User] = []
    tallies: Counter[tuple[date, str, str]] = Counter()
    for age in range(DAYS, 0, -1):
        day = now - timedelta(days=age)
        weekend = day.weekday() >= 5
        for _ in range(chance.randint(3, 6) + (DAYS - age) // 15 + 4 * weekend):
            since = day + timedelta(seconds=chance.uniform(0, 86000))
            users += _life(len(users), since, now, chance, tallies)
        for code, most in REFUSALS.items():
            tallies[_day(day), "refused", code] += chance.randint(0, most)
    User.objects.bulk_create(users)
    rows = [
        DailyTally(day=day, event=event, label=label, count=number)
        for (day, event, label), number in tallies.items()
        if number
    ]
    DailyTally.objects.bulk_create(rows, ignore_conflicts=True)


def _life(
    number: int,
    since: datetime,
    now: datetime,
    chance: random.Random,
    tallies: Counter[tuple[date, str, str]],
) -> list[User]:
    """Return the row that is left of one guest, if any, and tally how he left."""
    seen = min(now, since + timedelta(days=chance.expovariate(1 / 6)))
    user = User(
        username=f"{NAME}{number}",
        password=UNUSABLE_PASSWORD_PREFIX + secrets.token_hex(20),
        is_guest=True,
        guest_since=since,
        last_seen_at=seen,
        date_joined=since,
    )
    leaves = since + timedelta(days=chance.expovariate(1 / 3))
    way = chance.choices(["stays", "upgraded", "merged"], weights=[80, 17, 3])[0]
    if way != "stays" and leaves < now:
        if way == "merged":
            tallies[_day(leaves), "merged", ""] += 1
        else:
            method = chance.choice(METHODS)
            tallies[_day(leaves), "upgraded", method] += 1
        tallies[_day(since), "departed", way] += 1
        user.is_guest, user.upgraded_at = False, leaves
        user.email = f"{user.username}@example.com"
        return [user] if way == "upgraded" else []
    gone = seen + timedelta(days=KEPT)
    if gone < now:
        tallies[_day(gone), "purged", ""] += 1
        tallies[_day(since), "departed", "purged"] += 1
        return []
    return [user]


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
