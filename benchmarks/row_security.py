"""What row-level security costs a request: ``python benchmarks/row_security.py``.

A page that loads its user by the session, reads a row and writes one; on a table without any rule in a project without
``anonauth.contrib.postgres`` (the floor), and with it on tables without and with rules. The arms take turns within each
round, and each turn is compared with the floor's turn of the same round.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import urllib.error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _harness as harness
from benchmarks._harness import Server, Slice

ROLE = f"anonauth_benchmark_{os.getpid()}"
FLOOR = "no rules"
GOAL_CONNECTIONS, GOAL = 1, 1.10
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
FUNCTIONS = (
    "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
)


@dataclass(frozen=True)
class Arm:
    """One server, the path that is measured on it, and whether guests are refused there."""

    name: str
    path: str
    server: Server
    environment: Mapping[str, str]
    refuses: bool


@contextlib.contextmanager
def database(*, durable: bool) -> Iterator[tuple[str, str]]:
    """Yield the URLs of a database: the administrator's, and that of a role that policies hold for."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(harness.database(durable=durable))
        harness.execute(url, f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'")
        stack.callback(harness.execute, url, f"DROP OWNED BY {ROLE} CASCADE; DROP ROLE {ROLE}")
        for (table,) in harness.execute(url, TABLES):
            harness.execute(url, f'ALTER TABLE "{table}" OWNER TO {ROLE}')
        for (function,) in harness.execute(url, FUNCTIONS):
            harness.execute(url, f"ALTER FUNCTION {function} OWNER TO {ROLE}")
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        yield url, urlunsplit(parts._replace(netloc=f"{ROLE}:{ROLE}@{host}"))


def inside(*arguments: str, environment: Mapping[str, str]) -> Any:
    """Run a command of ``_rows.py`` in the project of an arm and return its answer."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._rows", *arguments],
        cwd=harness.ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": harness.SETTINGS, **environment},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)


@contextlib.contextmanager
def serve(url: str) -> Iterator[list[Arm]]:
    """Start a gunicorn without and one with row-level security; whoever is not in turn sleeps."""
    floor = {"BENCH_DATABASE_URL": url, "BENCH_SESSION_IN_QUERY": "1"}
    ours = floor | {"BENCH_ROW_SECURITY": "1"}
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(harness.gunicorn("floor", floor))
        secured = stack.enter_context(harness.gunicorn("row-security", ours))
        yield [
            Arm(FLOOR, "/page/plain/", bare, floor, refuses=False),
            Arm("claims, no rule", "/page/plain/", secured, ours, refuses=False),
            Arm("policy", "/page/policy/", secured, ours, refuses=True),
            Arm("trigger", "/page/trigger/", secured, ours, refuses=True),
        ]


def check_rule(arm: Arm, guest: str) -> None:
    """Exit unless a guest is refused where there is a rule, and nowhere else."""
    try:
        status, _ = harness.post(arm.server.port, f"{arm.path}?session={guest}")
    except urllib.error.HTTPError as error:
        status = error.code
    if status != (403 if arm.refuses else 200):
        sys.exit(f"{arm.name}: a guest was answered {status}, so nothing would be measured.")


def turn(arm: Arm, permanent: str, *, connections: int, seconds: float) -> Slice:
    """Load one arm for some seconds as a permanent user; exit unless every answer was 200."""
    path = f"{arm.path}?session={permanent}"
    done = harness.load(arm.server, path, connections=connections, seconds=seconds)
    if done.statuses != {"200": len(done.times)}:
        sys.exit(f"{arm.name}: answers {done.statuses}.")
    return done


def summarize(
    turns: dict[str, list[Slice]], connections: int, trips: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return one record an arm: its times, and each as a ratio to the floor."""
    records = []
    for name, done in turns.items():
        pairs = list(zip(done, turns[FLOOR], strict=True))
        every = [time for one in done for time in one.times]
        records.append(
            {
                "connections": connections,
                "arm": name,
                "round_trips": trips[name],
                "p50_ms": harness.percentile(every, 50),
                "p50_ratio": harness.spread(
                    [a.percentile(50) / f.percentile(50) for a, f in pairs]
                ),
                "p99_ratio": harness.spread(
                    [a.percentile(99) / f.percentile(99) for a, f in pairs]
                ),
                "rate_ratio": harness.spread([a.rate / f.rate for a, f in pairs]),
                "cpu_ms": sum(s.cpu for s in done) / len(every) * 1000,
                "cpu_ratio": harness.spread([a.cpu_each / f.cpu_each for a, f in pairs]),
            }
        )
    return records


def print_table(records: list[dict[str, Any]]) -> None:
    """Print the records for people, and whether the goals are met."""
    head = ["connections", "arm", "round trips", "p50 ms", "× floor", "p99 × floor"]
    rows = [[*head, "req/s × floor", "CPU ms", "× floor"]]
    for record in records:
        shown = [harness.shown(record[f"{name}_ratio"]) for name in ("p50", "p99", "rate", "cpu")]
        cells = [str(record["connections"]), record["arm"], str(record["round_trips"])]
        cells += [f"{record['p50_ms']:.2f}", *shown[:3], f"{record['cpu_ms']:.2f}", shown[3]]
        rows.append(cells)
    print(harness.table(rows))
    print("\n× floor: median over the rounds (lowest–highest). CPU: of the server's workers.")
    floor = next(record for record in records if record["arm"] == FLOOR)
    for record in records:
        if record["arm"] != FLOOR and record["connections"] == GOAL_CONNECTIONS:
            more = record["round_trips"] - floor["round_trips"]
            met = more == 0 and record["p50_ratio"]["median"] <= GOAL
            goal = f"+0 round trips (is +{more}), p50 <= {GOAL:.2f} ×"
            print(f"Goal, {record['arm']}: {goal}: {'met' if met else 'MISSED'}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one turn")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each arm")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8])
    parser.add_argument(
        "--not-durable", action="store_true", help="commits do not wait for the disk"
    )
    parser.add_argument("--json", action="store_true", help="print records for machines")
    options = parser.parse_args()
    records = []
    with database(durable=not options.not_durable) as (admin, url), serve(url) as arms:
        keys = inside("people", environment=arms[0].environment)
        trips = {}
        for arm in arms:
            check_rule(arm, keys["guest"])
            path = f"{arm.path}?session={keys['permanent']}"
            trips[arm.name] = inside("trips", path, environment=arm.environment)
        for connections in options.connections:
            once = partial(turn, permanent=keys["permanent"], connections=connections)
            turns = harness.in_turns(arms, once, rounds=options.rounds, seconds=options.seconds)
            records += summarize(turns, connections, trips)
        version = harness.execute(admin, "SHOW server_version")[0][0]
    machine = harness.machine() | {"PostgreSQL": version}
    if options.json:
        print(json.dumps({"machine": machine, "records": records}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print_table(records)


if __name__ == "__main__":
    main()
