"""How near the purge comes to hand-written SQL, and whom it keeps waiting: ``python benchmarks/purge.py``.

Each arm deletes the same rows of a fresh copy of the same database: half of the users are stale guests. The floor is
hand-written: batches of the same size, one statement per table that has rows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django
import psycopg
from django.contrib.auth import get_user_model
from django.utils import timezone

from benchmarks import _harness as harness

VISITORS = Path(__file__).with_name("_visitors.py")
DAYS_STALE = "interval '31 days'"
SEED = [
    f"""INSERT INTO project_user (id, username, password, first_name, last_name, email, is_staff, is_active,
        is_superuser, date_joined, is_anonymous, guest_since, last_seen_at)
        SELECT gen_random_uuid(), 'user-' || n, '!' || md5(n::text), '', '', '', false, true, false, seen, true,
        seen, seen
        FROM (SELECT n, now() - CASE WHEN mod(n, 2) = 0 THEN {DAYS_STALE} ELSE interval '0' END
              - n * interval '1 second' * (86400.0 * 20 / %(users)s) AS seen
              FROM generate_series(1, %(users)s) n) made""",
    "INSERT INTO project_note (owner_id, text) SELECT id, username FROM project_user",
    "INSERT INTO project_score (owner_id, points) SELECT id, 1 FROM project_user",
    """INSERT INTO project_event (owner_id, kind) SELECT id, 'visit' FROM project_user
       WHERE substr(username, 6)::int % 10 < 2""",
]
# Two of the three conditions are for the order of the index, as ours are.
PAGE = """SELECT id, last_seen_at FROM project_user
    WHERE is_anonymous AND last_seen_at < now() - interval '30 days' AND last_seen_at >= %s
    AND (last_seen_at, id) > (%s, %s)
    ORDER BY last_seen_at, id LIMIT %s FOR UPDATE SKIP LOCKED"""
BY_HAND = [
    "DELETE FROM project_note WHERE owner_id = ANY(%s)",
    "DELETE FROM project_score WHERE owner_id = ANY(%s)",
    "UPDATE project_event SET owner_id = NULL WHERE owner_id = ANY(%s)",
    "DELETE FROM project_user WHERE id = ANY(%s)",
]
LEFT = """SELECT count(*) FILTER (WHERE last_seen_at < now() - interval '30 days'), count(*),
    (SELECT count(*) FROM project_note), (SELECT count(*) FROM project_score),
    (SELECT count(*) FROM project_event WHERE owner_id IS NOT NULL) FROM project_user"""


@dataclass
class Result:
    """What one arm did once."""

    arm: str
    stale: int
    seconds: float
    memory_mb: float
    sign_ins: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)


def by_hand(url: str, *, batch: int, statements: list[str]) -> None:
    """Delete what is stale as somebody would who knows all tables; runs in a process of its own."""
    last: tuple[Any, Any] = ("-infinity", "00000000-0000-0000-0000-000000000000")
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            with connection.transaction():
                rows = connection.execute(PAGE, [last[0], *last, batch]).fetchall()
                if not rows:
                    return
                keys = [row[0] for row in rows]
                for statement in statements:
                    connection.execute(statement, [keys])
            last = (rows[-1][1], rows[-1][0])


def collector(batch: int) -> None:
    """Delete with ``QuerySet.delete()`` in batches; runs in a process of its own."""
    os.environ["DJANGO_SETTINGS_MODULE"] = harness.SETTINGS
    django.setup()
    stale = get_user_model().objects.stale(before=timezone.now() - timedelta(days=30))  # type: ignore[attr-defined]
    while keys := list(stale.order_by("last_seen_at").values_list("pk", flat=True)[:batch]):
        stale.filter(pk__in=keys).delete()


def timed(commands: list[list[str]], environment: dict[str, str]) -> tuple[float, float]:
    """Run processes at the same time; return the seconds that the slowest says it worked, and the most memory in MB.

    What Python and Django need to start is nobody's: the processes measure themselves.
    """
    running = [
        subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=harness.ROOT, stdout=subprocess.PIPE
        )
        for command in commands
    ]
    seconds = memory = 0.0
    for process in running:
        assert process.stdout is not None
        said = json.load(process.stdout)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        if status:
            sys.exit(f"{process.args!r} failed.")
        seconds = max(seconds, said["seconds"])
        memory = max(memory, usage.ru_maxrss / 1024)
    return seconds, memory


@contextlib.contextmanager
def copy_of(seed: str) -> Iterator[str]:
    """Yield the URL of a copy of a database."""
    parts = urlsplit(seed)
    name = parts.path[1:]
    copy = f"{name}_arm"
    server = urlunsplit(parts._replace(path="/postgres"))
    harness.execute(server, f"CREATE DATABASE {copy} TEMPLATE {name}")
    try:
        url = urlunsplit(parts._replace(path=f"/{copy}"))
        harness.execute(url, "CHECKPOINT")
        yield url
    finally:
        harness.execute(server, f"DROP DATABASE {copy} WITH (FORCE)")


def check(url: str, stale: int, *, signed_in: int, returned: int) -> None:
    """Exit unless exactly the stale rows, and all of them, are gone."""
    left, users, notes, scores, events = harness.execute(url, LEFT)[0]
    expected = (stale + signed_in, stale, stale, round(stale / 5))
    if (
        left > returned
        or abs(events - expected[3]) > 2
        or (users - left, notes - left, scores - left) != expected[:3]
    ):
        sys.exit(f"Wrong rows are left: {left, users, notes, scores, events}, expected {expected}.")


def run(
    name: str,
    seed: str,
    stale: int,
    commands: Callable[[str], list[list[str]]],
    cascade: str,
    visits: float,
) -> Result:
    """Run one arm once, with or without visitors."""
    with copy_of(seed) as url:
        environment = {"BENCH_DATABASE_URL": url, "BENCH_CASCADE": cascade, "BENCH_ANONAUTH": "1"}
        if not visits:
            seconds, memory = timed(commands(url), environment)
            check(url, stale, signed_in=0, returned=0)
            return Result(name, stale, seconds, memory)
        with harness.gunicorn("visited", environment) as server:
            visitors = [sys.executable, str(VISITORS), str(server.port), url, str(visits)]
            # The server's first answers are slow: its threads connect, and modules are imported.
            cold = attend(visitors, lambda: time.sleep(3))
            quiet = attend(visitors, lambda: time.sleep(20))
            measured: list[float] = []
            busy = attend(visitors, lambda: measured.extend(timed(commands(url), environment)))
        signed_in = sum(len(found["sign_ins"]) for found in (cold, quiet, busy))
        check(url, stale, signed_in=signed_in, returned=stale)
        return Result(name, stale, *measured, busy["sign_ins"], busy["probes"], quiet["sign_ins"])


def attend(visitors: list[str], act: Callable[[], None]) -> dict[str, list[float]]:
    """Let visitors come while something is done; return how long they waited."""
    with subprocess.Popen(
        visitors, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        act()
        out, _ = process.communicate("")
    found: dict[str, list[float]] = json.loads(out)
    return found


def arms(batch: int, *, two: bool, reference: bool, database_cascade: bool) -> dict[str, Any]:
    """Return the commands of each arm by its name; the floor comes first."""
    this = [sys.executable, str(Path(__file__).resolve())]
    ours = [sys.executable, "-m", "django", "purge_anonymous", f"--settings={harness.SETTINGS}"]
    ours += ["--skip-checks", "--yes", f"--batch-size={batch}", "--json"]
    kind = "database" if database_cascade else "tables"
    found: dict[str, Any] = {
        "by hand": lambda url: [[*this, "--by-hand", url, str(batch), kind]],
        "anonauth": lambda _url: [ours],
    }
    if two:
        found["anonauth, two workers"] = lambda _url: [ours, ours]
    if reference:
        found["QuerySet.delete() in batches"] = lambda _url: [[*this, "--collector", str(batch)]]
    return found


def measure(options: argparse.Namespace, *, cascade: str) -> list[Result]:
    """Run all arms for all sizes, in turns."""
    results: list[Result] = []
    for stale in options.sizes:
        with harness.database(durable=not options.not_durable) as seed:
            if cascade:
                rebuild(seed, cascade)
            with psycopg.connect(seed, autocommit=True) as connection:
                for statement in SEED:
                    connection.execute(
                        statement % {"users": 2 * stale} if "%(" in statement else statement
                    )
            harness.execute(seed, "VACUUM (ANALYZE)")
            found = arms(
                options.batch_size,
                two=not cascade,
                reference=options.reference and not cascade,
                database_cascade=bool(cascade),
            )
            for number in range(1 if stale > 200_000 else options.rounds):
                for name in found if number % 2 == 0 else reversed(found):
                    result = run(name, seed, stale, found[name], cascade, 0)
                    results.append(result)
                    say(result, cascade)
            if stale == max(options.sizes) and not cascade and options.visits:
                for name in ("by hand", "anonauth"):
                    result = run(name, seed, stale, found[name], cascade, options.visits)
                    result.arm += f", {options.visits:g} sign-ins/s"
                    results.append(result)
                    say(result, cascade)
    return results


def rebuild(seed: str, cascade: str) -> None:
    """Make the tables anew, with foreign keys that cascade in the database."""
    for table in ("note", "score", "event"):
        harness.execute(seed, f"DROP TABLE project_{table}")
    environment = {"BENCH_DATABASE_URL": seed, "BENCH_CASCADE": cascade}
    harness.manage(
        "migrate", "--run-syncdb", "--verbosity=0", "--skip-checks", environment=environment
    )


def say(result: Result, cascade: str) -> None:
    where = " (database cascades)" if cascade else ""
    print(f"{result.stale:>9,} {result.arm}{where}: {result.seconds:.1f} s", file=sys.stderr)


def report(results: list[Result], cascade: str) -> list[list[str]]:
    """Return one row per arm and size."""
    rows = []
    for stale in dict.fromkeys(r.stale for r in results):
        here = [r for r in results if r.stale == stale]
        floor = {
            visited: [
                r.seconds
                for r in here
                if r.arm.startswith("by hand") and bool(r.sign_ins) is visited
            ]
            for visited in (False, True)
        }
        for arm in dict.fromkeys(r.arm for r in here):
            mine = [r for r in here if r.arm == arm]
            seconds = statistics.median(r.seconds for r in mine)
            base = statistics.median(floor[bool(mine[0].sign_ins)])
            waits = ["", "", "", ""]
            if mine[0].sign_ins:
                one = mine[0]
                waits = [
                    f"{harness.percentile(one.quiet, 99):.1f}",
                    f"{harness.percentile(one.sign_ins, 99):.1f}",
                    f"{harness.percentile(one.probes, 99):.0f}" if one.probes else "",
                    f"{max(one.probes) * 1000:.0f}" if one.probes else "",
                ]
            name = f"{arm}{', database cascades' if cascade else ''}"
            rows.append(
                [
                    f"{stale:,}",
                    name,
                    f"{seconds:.1f}",
                    f"{seconds / base:.2f}",
                    f"{stale / seconds:,.0f}",
                    f"{max(r.memory_mb for r in mine):.0f}",
                    *waits,
                ]
            )
    return rows


def main() -> None:
    if sys.argv[1:2] == ["--by-hand"]:
        url, batch, kind = sys.argv[2:]
        statements = BY_HAND if kind == "tables" else BY_HAND[2:]
        start = time.perf_counter()
        by_hand(url, batch=int(batch), statements=statements)
        print(json.dumps({"seconds": time.perf_counter() - start}))
        return
    if sys.argv[1:2] == ["--collector"]:
        start = time.perf_counter()
        collector(int(sys.argv[2]))
        print(json.dumps({"seconds": time.perf_counter() - start}))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10_000, 100_000, 500_000], help="stale guests"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="turns of each arm; one above 200,000 guests"
    )
    parser.add_argument("--batch-size", type=int, default=1000)
    parser.add_argument(
        "--visits",
        type=float,
        default=40,
        help="sign-ins per second beside the largest size; 0: none",
    )
    parser.add_argument(
        "--reference", action="store_true", help="also QuerySet.delete() in batches"
    )
    parser.add_argument("--quick", action="store_true", help="10,000 and 30,000 guests, one turn")
    parser.add_argument(
        "--not-durable", action="store_true", help="commits do not wait for the disk"
    )
    parser.add_argument("--json", action="store_true", help="print records for machines")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.rounds = [10_000, 30_000], 1
    results = {"": measure(options, cascade="")}
    if django.VERSION >= (6, 1):
        results["database"] = measure(options, cascade="database")
    else:
        print(
            "!!! Django 6.1 is not here: the arms in which the database cascades are LEFT OUT.",
            file=sys.stderr,
        )
    if options.json:
        print(
            json.dumps(
                {
                    "machine": harness.machine(),
                    "results": {k: [asdict(r) for r in v] for k, v in results.items()},
                }
            )
        )
        return
    print(", ".join(f"{name} {value}" for name, value in harness.machine().items()))
    head = [
        "stale guests",
        "arm",
        "s",
        "× by hand",
        "guests/s",
        "MB",
        "sign-in p99 ms before",
        "during",
        "row wait p99 ms",
        "longest",
    ]
    print(
        harness.table(
            [head, *(row for cascade, found in results.items() for row in report(found, cascade))]
        )
    )


if __name__ == "__main__":
    main()
