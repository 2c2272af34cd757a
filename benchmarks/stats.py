"""How long the statistics take, by the number of users: ``python benchmarks/stats.py``.

The rows are made by SQL: half of the users are guests, made and last seen over 120 days, a fifth were guests once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics as arithmetic
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _harness as harness

GOAL_SECONDS = 1.0
GOAL_USERS = 1_000_000
USERS = """
INSERT INTO project_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
    date_joined, is_anonymous, guest_since, last_seen_at, upgraded_at)
SELECT gen_random_uuid(), '!' || md5(random()::text), false, 'user-' || i, '', '', '', false, true,
    made, kind < 5, CASE WHEN kind < 7 THEN made END,
    CASE WHEN kind < 7 THEN made + random() * (now() - made) END,
    CASE WHEN kind IN (5, 6) THEN made + random() * (now() - made) END
FROM (SELECT i, i % 10 AS kind, now() - random() * interval '120 days' AS made
      FROM generate_series({first}, {last}) AS i) AS row
"""
TALLIES = """
INSERT INTO anonauth_dailytally (day, event, label, count)
SELECT (now() - n * interval '1 day')::date, event, label, 1 + (random() * 5000)::int
FROM generate_series(0, 120) AS n, (VALUES ('upgraded', 'email'), ('upgraded', 'phone'), ('upgraded', 'social'),
    ('upgraded', 'passkey'), ('upgraded', 'admin'), ('merged', ''), ('purged', ''), ('departed', 'upgraded'),
    ('departed', 'merged'), ('departed', 'purged'), ('refused', 'rate_limited'), ('refused', 'captcha_failed'),
    ('refused', 'code_incorrect'), ('refused', 'email_taken')) AS kinds (event, label)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--users", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--days", type=int, nargs="+", default=[7, 30, 90])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print records for machines")
    options = parser.parse_args()
    with harness.database() as database, project(database):
        harness.execute(database, TALLIES)
        server = harness.execute(database, "SHOW server_version")[0][0]
        records = []
        made = 0
        for users in sorted(options.users):
            harness.execute(database, USERS.format(first=made + 1, last=users))
            harness.execute(database, "VACUUM ANALYZE project_user")
            made = users
            records += [measure(users, days, options.rounds) for days in options.days]
    machine = harness.machine() | {"PostgreSQL": server}
    if options.json:
        print(json.dumps({"machine": machine, "records": records}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print_table(records)


@contextmanager
def project(database: str) -> Iterator[None]:
    """Set Django up in this process, and hang up before the database is dropped."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "benchmarks.project.admin_settings",
        "BENCH_DATABASE_URL": database,
    }
    import django
    from django.db import connections

    django.setup()
    yield
    connections.close_all()


def measure(users: int, days: int, rounds: int) -> dict[str, Any]:
    """Return how long the numbers take, and the whole page with them."""
    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.urls import reverse
    from django.utils import timezone

    from anonauth.stats import statistics

    staff, _ = get_user_model().objects.get_or_create(
        username="staff", is_staff=True, is_superuser=True
    )
    browser = Client()
    browser.force_login(staff)
    url = reverse("admin:anonauth_dailytally_changelist")

    def page() -> None:
        answer = browser.get(url, {"days": days})
        if answer.status_code != 200 or b"<svg" not in answer.content:
            sys.exit(f"This is no page of statistics: {answer.status_code}")

    numbers = timed(lambda: statistics(days=days, now=timezone.now()), rounds)
    return {"users": users, "days": days, "numbers": numbers, "page": timed(page, rounds)}


def timed(act: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Return the median, least and most seconds of some rounds, after one that is not counted."""
    times = []
    for number in range(rounds + 1):
        begin = time.perf_counter()
        act()
        if number:
            times.append(time.perf_counter() - begin)
    return {"median": arithmetic.median(times), "min": min(times), "max": max(times)}


def print_table(records: list[dict[str, Any]]) -> None:
    """Print the records as a Markdown table, and whether the goal was met."""
    rows = [["users", "days", "the numbers, seconds", "the page, seconds"]]
    for record in records:
        cells = [f"{record['users']:,}", str(record["days"])]
        rows.append([*cells, harness.shown(record["numbers"]), harness.shown(record["page"])])
    print(harness.table(rows))
    for record in records:
        if record["users"] == GOAL_USERS:
            met = record["page"]["median"] < GOAL_SECONDS
            said = "met" if met else "MISSED"
            print(f"Goal, page of {record['days']} days: < {GOAL_SECONDS} s: {said}.")


if __name__ == "__main__":
    main()
