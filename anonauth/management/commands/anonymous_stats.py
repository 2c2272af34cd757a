from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from anonauth.management.database import told_in_one_line
from anonauth.rates import parse_rate
from anonauth.stats import Statistics, created_since, statistics, upgraded_since

DAY = 86400
BY_THE_MOMENT = {"created": created_since, "upgraded": upgraded_since}
BY_THE_DAY = ("created", "upgraded", "merged", "purged", "refused")


@dataclass(frozen=True)
class Limit:
    """``created=500/h``: no more than 500 in the last hour; ``guests=100000`` has no window."""

    name: str
    most: int
    seconds: int
    text: str

    def number(self, now: datetime) -> int:
        """Return how many there are."""
        if not self.seconds:
            return statistics(days=1, now=now).guests
        if self.seconds % DAY:
            return BY_THE_MOMENT[self.name](now - timedelta(seconds=self.seconds))
        found = statistics(days=self.seconds // DAY, now=now)
        return int(totals(found)[self.name])


def totals(found: Statistics) -> dict[str, int]:
    """Return the sums over all days."""
    return {
        "created": found.created,
        "upgraded": found.upgraded.total(),
        "merged": found.merged,
        "purged": found.purged,
        "refused": sum(found.refusals.values()),
    }


def limit(text: str) -> Limit:
    """Parse the value of ``--fail-above``."""
    name, _, rate = text.partition("=")
    if name == "guests" and rate.isdecimal():
        return Limit(name, int(rate), 0, text)
    if name not in BY_THE_DAY:
        raise ArgumentTypeError(
            f"{text!r}: write guests=100000, or one of {', '.join(BY_THE_DAY)} with a rate, "
            "e.g. created=500/h."
        )
    # An alarm at the very first one has a limit of zero, which no rate of attempts can have.
    most, _, window = rate.partition("/")
    none = most.isdecimal() and not int(most)
    try:
        parsed = parse_rate(f"1/{window}" if none else rate)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r}: {error}") from error
    if parsed.seconds % DAY and name not in BY_THE_MOMENT:
        raise ArgumentTypeError(f"{text!r}: {name} is counted by the day; write {name}=1000/d.")
    return Limit(name, 0 if none else parsed.limit, parsed.seconds, text)


def number_of_days(text: str) -> int:
    """Parse the value of ``--days``."""
    if not (text.isdecimal() and 1 <= int(text) <= 3660):
        raise ArgumentTypeError(f"{text!r} is no number of days between 1 and 3660.")
    return int(text)


class Command(BaseCommand):
    help = "Prints what guests do, by day; with --fail-above an alarm for cron: exit code 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=number_of_days, default=30, help="Today included; default: %(default)s."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument(
            "--fail-above",
            type=limit,
            action="append",
            default=[],
            metavar="NAME=RATE",
            help="Fail if there were more: created=500/h, refused=10000/d, guests=100000. May be given again.",
        )

    @told_in_one_line()
    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        found = statistics(days=options["days"], now=now)
        exceeded = []
        for each in options["fail_above"]:
            if (number := each.number(now)) > each.most:
                exceeded.append({"limit": each.text, "number": number})
        if options["json"]:
            self.stdout.write(json.dumps({**as_json(found), "exceeded": exceeded}, indent=2))
        else:
            self._print(found)
        if exceeded:
            said = ", ".join(f"{entry['limit']} ({entry['number']})" for entry in exceeded)
            raise CommandError(f"Above the limit: {said}.")

    def _print(self, found: Statistics) -> None:
        line = "{:<10}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}".format
        head = ("day", "created", "upgraded", "merged", "purged", "seen last", "guests")
        self.stdout.write(line(*head))
        for day in found.days:
            upgraded = sum(day.upgraded.values())
            row = (day.created, upgraded, day.merged, day.purged, day.last_seen, day.guests)
            self.stdout.write(line(day.day.isoformat(), *row))
        sums = totals(found)
        gone = (sums["upgraded"], sums["merged"], sums["purged"])
        self.stdout.write(line("all", sums["created"], *gone, "", found.guests))
        self.stdout.write("")
        for title, numbers in (("Upgraded by", found.upgraded), ("Refused", found.refusals)):
            listed = ", ".join(f"{name} {number}" for name, number in numbers.items())
            self.stdout.write(f"{title}: {listed or 'none'}")
        self.stdout.write(
            f"Guests seen: {found.seen_in_a_day} in 24 hours, {found.seen_in_a_week} in 7 days"
        )
        median = found.median_time_to_upgrade
        self.stdout.write(f"Median time to upgrade: {_rounded(median) if median else 'none'}")
        self.stdout.write("Made an account, by the week in which they came:")
        for cohort in found.cohorts:
            rate = "    -" if cohort.rate is None else f"{cohort.rate:5.1%}"
            self.stdout.write(
                f"  {cohort.week.isoformat()}  {rate}  ({cohort.upgraded} of {cohort.created})"
            )


def as_json(found: Statistics) -> dict[str, Any]:
    """Return the numbers as the documentation shows them."""
    median = found.median_time_to_upgrade
    return {
        "at": found.at.isoformat(),
        "guests": found.guests,
        "seen_in_a_day": found.seen_in_a_day,
        "seen_in_a_week": found.seen_in_a_week,
        "totals": {**totals(found), "upgraded_by": dict(found.upgraded)},
        "refusals": dict(found.refusals),
        "median_seconds_to_upgrade": median.total_seconds() if median else None,
        "days": [
            {
                "day": day.day.isoformat(),
                "created": day.created,
                "last_seen": day.last_seen,
                "upgraded": dict(day.upgraded),
                "merged": day.merged,
                "purged": day.purged,
                "guests": day.guests,
            }
            for day in found.days
        ],
        "cohorts": [
            {
                "week": cohort.week.isoformat(),
                "created": cohort.created,
                "upgraded": cohort.upgraded,
                "merged": cohort.merged,
                "rate": cohort.rate,
            }
            for cohort in found.cohorts
        ],
    }


def _rounded(time: timedelta) -> timedelta:
    return timedelta(seconds=round(time.total_seconds()))
