"""How much of a bare view's speed anonauth's sign-in keeps: ``python benchmarks/sign_in.py``.

The arms take turns within each round, so that whatever else the machine does meets all of them, and each turn is
compared with the floor's turn of the same round.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _harness as harness
from benchmarks._harness import Server, Slice

ANONYMOUS, FLOOR = "/auth/anonymous/", "/floor/"
UNREACHED = '["999999999/h"]'  # counted like any limit
COUNT = "SELECT count(*) FROM project_user WHERE is_anonymous"
GOAL_CONNECTIONS = 16
GOALS = {"limits off": (0.90, 1.2), "limits in Redis": (0.75, None)}


@dataclass(frozen=True)
class Arm:
    """One server and the path that is measured on it."""

    name: str
    path: str
    server: Server


@contextlib.contextmanager
def serve(database: str, redis: str | None, middleware: str) -> Iterator[list[Arm]]:
    """Start one gunicorn an arm; those that are not in turn sleep."""
    floor: dict[str, str] = {"BENCH_DATABASE_URL": database, "BENCH_MIDDLEWARE": middleware}
    ours = floor | {"BENCH_ANONAUTH": "1"}
    limited = ours | {"BENCH_RATE_LIMITS": UNREACHED}
    wanted = [
        ("floor", FLOOR, floor),
        ("limits off", ANONYMOUS, ours),
        ("limits in LocMem", ANONYMOUS, limited),
    ]
    if redis:
        wanted.append(("limits in Redis", ANONYMOUS, limited | {"BENCH_REDIS_URL": redis}))
    else:
        print(
            "!!! No redis-server here: the arm with limits in Redis is LEFT OUT.", file=sys.stderr
        )
    with contextlib.ExitStack() as stack:
        arms = []
        for name, path, environment in wanted:
            server = stack.enter_context(harness.gunicorn(name.replace(" ", "-"), environment))
            arms.append(Arm(name, path, server))
        yield arms


def check_answer(arm: Arm) -> None:
    """Exit unless the arm really signs a guest in with tokens that carry our claims."""
    status, body = harness.post(arm.server.port, arm.path)
    for name in ("access", "refresh"):
        payload = body[name].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if status != 201 or claims["is_anonymous"] is not True or len(claims["sv"]) != 24:
            sys.exit(f"{arm.name}: this is no sign-in: {status} {body}")


def turn(arm: Arm, database: str, *, connections: int, seconds: float) -> Slice:
    """Load one arm for some seconds; exit unless every answer was 201 and made exactly one row."""
    before = harness.execute(database, COUNT)[0][0]
    done = harness.load(arm.server, arm.path, connections=connections, seconds=seconds)
    rows = harness.execute(database, COUNT)[0][0] - before
    answers = len(done.times)
    if done.statuses != {"201": answers} or rows != answers:
        sys.exit(f"{arm.name}: {answers} answers {done.statuses}, but {rows} new guests.")
    return done


def summarize(turns: dict[str, list[Slice]], connections: int) -> list[dict[str, Any]]:
    """Return one record an arm: its rate and times, and each as a ratio to the floor."""
    records = []
    for name, done in turns.items():
        pairs = list(zip(done, turns["floor"], strict=True))
        record: dict[str, Any] = {
            "connections": connections,
            "arm": name,
            "rate": sum(len(s.times) for s in done) / sum(s.seconds for s in done),
            "rate_ratio": harness.spread([arm.rate / floor.rate for arm, floor in pairs]),
            "cpu_ms": sum(s.cpu for s in done) / sum(len(s.times) for s in done) * 1000,
            "cpu_ratio": harness.spread([a.cpu_each / f.cpu_each for a, f in pairs]),
            "generator_busy": max(s.busy for s in done),
        }
        for percent in (50, 99):
            every = [time for one in done for time in one.times]
            ratios = [arm.percentile(percent) / floor.percentile(percent) for arm, floor in pairs]
            record[f"p{percent}_ms"] = harness.percentile(every, percent)
            record[f"p{percent}_ratio"] = harness.spread(ratios)
        records.append(record)
    return records


def print_table(records: list[dict[str, Any]]) -> None:
    """Print the records for people, and whether the goals are met."""
    head = ["connections", "arm", "req/s", "× floor"]
    rows = [[*head, *(c for name in ("p50 ms", "p99 ms", "CPU ms") for c in (name, "× floor"))]]
    for record in records:
        cells = [str(record["connections"]), record["arm"], f"{record['rate']:.0f}"]
        cells.append(harness.shown(record["rate_ratio"]))
        for percent in (50, 99):
            cells.append(f"{record[f'p{percent}_ms']:.1f}")
            cells.append(harness.shown(record[f"p{percent}_ratio"]))
        cells += [f"{record['cpu_ms']:.2f}", harness.shown(record["cpu_ratio"])]
        rows.append(cells)
    print(harness.table(rows))
    print(
        "\n× floor: median over the rounds (lowest–highest). CPU: of the server's workers, an answer."
    )
    busiest = max(record["generator_busy"] for record in records)
    print(f"The load generator used at most {busiest:.0%} of one core.")
    for record in records:
        if record["connections"] == GOAL_CONNECTIONS and record["arm"] in GOALS:
            least, most = GOALS[record["arm"]]
            rate, slowest = record["rate_ratio"]["median"], record["p99_ratio"]["median"]
            met = rate >= least and (most is None or slowest <= most)
            goal = f">= {least:.2f}" + (f", p99 <= {most}" if most else "")
            print(f"Goal, {record['arm']}: {goal}: {'met' if met else 'MISSED'}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one turn")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each arm")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument(
        "--middleware", choices=["default", "none"], default="default", help="of all arms alike"
    )
    parser.add_argument(
        "--not-durable", action="store_true", help="commits do not wait for the disk"
    )
    parser.add_argument("--json", action="store_true", help="print records for machines")
    options = parser.parse_args()
    records = []
    with (
        harness.database(durable=not options.not_durable) as database,
        harness.redis_server() as redis,
        serve(database, redis, options.middleware) as arms,
    ):
        server = harness.execute(database, "SHOW server_version")[0][0]
        for arm in arms:
            check_answer(arm)
        for connections in options.connections:
            once = partial(turn, database=database, connections=connections)
            turns = harness.in_turns(arms, once, rounds=options.rounds, seconds=options.seconds)
            records += summarize(turns, connections)
    machine = harness.machine() | {"PostgreSQL": server, "middleware": options.middleware}
    if options.json:
        print(json.dumps({"machine": machine, "records": records}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print_table(records)


if __name__ == "__main__":
    main()
