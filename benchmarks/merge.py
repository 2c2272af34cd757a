"""What a merge costs beside the same statements written by hand: ``python benchmarks/merge.py``.

The arms take turns, each with a new guest and a new account and nobody else in the tables, and each turn is compared
with the hand-written one of the same round.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import time
import tracemalloc
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils.module_loading import import_string

from benchmarks import _harness as harness

GOAL_ROWS, GOAL = 100_000, 1.3
PLAIN = ("address", "answer", "bookmark", "comment", "download", "message", "order", "visit")
TABLES = (*PLAIN, "cartitem", "wish", "team_members", "remark")

#: How somebody would write it who knows his tables. %(g)s is the guest, %(a)s the account.
BY_HAND = (
    "SELECT id FROM project_user WHERE id IN (%(g)s, %(a)s) ORDER BY id FOR UPDATE",
    *(f"UPDATE belongings_{name} SET user_id = %(a)s WHERE user_id = %(g)s" for name in PLAIN),
    "UPDATE belongings_cartitem mine SET quantity = mine.quantity + theirs.quantity "
    "FROM belongings_cartitem theirs WHERE mine.user_id = %(a)s AND theirs.user_id = %(g)s "
    "AND theirs.product = mine.product",
    *(
        f"DELETE FROM belongings_{name} theirs USING belongings_{name} mine "
        "WHERE theirs.user_id = %(g)s AND mine.user_id = %(a)s AND mine.product = theirs.product"
        for name in ("cartitem", "wish")
    ),
    *(
        f"UPDATE belongings_{name} SET user_id = %(a)s WHERE user_id = %(g)s"
        for name in ("cartitem", "wish")
    ),
    "DELETE FROM belongings_team_members theirs USING belongings_team_members mine "
    "WHERE theirs.user_id = %(g)s AND mine.user_id = %(a)s AND mine.team_id = theirs.team_id",
    "UPDATE belongings_team_members SET user_id = %(a)s WHERE user_id = %(g)s",
    "UPDATE belongings_remark SET object_id = %(a)s WHERE object_id = %(g)s "
    "AND content_type_id = %(type)s",
    "DELETE FROM anonauth_signinkey WHERE user_id = %(g)s",
    "DELETE FROM anonauth_pendingupgrade WHERE user_id = %(g)s",
    "DELETE FROM project_user_groups WHERE user_id = %(g)s",
    "DELETE FROM project_user_user_permissions WHERE user_id = %(g)s",
    "DELETE FROM project_user WHERE id = %(g)s",
    "INSERT INTO anonauth_mergerecord (guest_id, account_id, method, report, merged_at) "
    "VALUES (%(g)s::text, %(a)s, '', '{}', now())",
)


@dataclass(frozen=True)
class Pair:
    """A guest and an account, by key."""

    guest: uuid.UUID
    account: uuid.UUID


def fill(rows: int) -> Pair:
    """Empty the tables, and make a guest with so many rows and an account that has half as many of its own."""
    model: Any = get_user_model()
    pair = Pair(uuid.uuid4(), uuid.uuid4())
    names = ", ".join(f"belongings_{name}" for name in (*TABLES, "team"))
    users = (
        ", project_user, anonauth_mergerecord, anonauth_signinkey, anonauth_pendingupgrade, "
        "anonauth_dailytally"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {names}{users} CASCADE")
        model.objects.create(pk=pair.guest, username="guest", is_guest=True)
        model.objects.create(pk=pair.account, username="account")
        kind = user_type()
        cursor.execute("INSERT INTO belongings_team SELECT generate_series(1, %s)", [rows])
        for place, name in enumerate(TABLES):
            number = rows // len(TABLES) + (place < rows % len(TABLES))
            for user, first, last in (
                (pair.guest, 1, number),
                # Every second row of the guest has one beside it where there may be only one.
                (pair.account, number // 2 + 1, number),
            ):
                insert(cursor, name, user, first, last, kind)
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    return pair


def user_type() -> int:
    """Return the key of the content type of users, from Django's cache."""
    types: Any = apps.get_model("contenttypes", "ContentType")
    found: int = types.objects.get_for_model(get_user_model()).pk
    return found


def insert(cursor: Any, name: str, user: uuid.UUID, first: int, last: int, kind: int) -> None:
    """Insert rows numbered from first to last."""
    text = "repeat('x', 40)"
    columns = {
        "team_members": ("team_id, user_id", "n, %s"),
        "remark": ("object_id, content_type_id, text", f"%s, {kind}, {text}"),
        "cartitem": ("user_id, text, product, quantity", f"%s, {text}, n, 2"),
        "wish": ("user_id, text, product", f"%s, {text}, n"),
    }
    names, values = columns.get(name, ("user_id, text", f"%s, {text}"))
    statement = (
        f"INSERT INTO belongings_{name} ({names}) SELECT {values} FROM generate_series(%s, %s) n"
    )
    cursor.execute(statement, [user, first, last])


def by_hand(pair: Pair) -> None:
    """Merge with the statements above, in one transaction."""
    kind = user_type()
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in BY_HAND:
            cursor.execute(statement, {"g": pair.guest, "a": pair.account, "type": kind})


def with_anonauth(pair: Pair) -> None:
    """Merge with anonauth: introspection, rules, report, record, signal."""
    model: Any = get_user_model()
    merge: Any = import_string("anonauth.flows.merge.merge")  # needs the app registry
    merge(guest=model(pk=pair.guest), into=model(pk=pair.account))


ARMS: dict[str, Callable[[Pair], None]] = {"by hand": by_hand, "anonauth": with_anonauth}


def check(name: str, pair: Pair, rows: int) -> None:
    """Exit unless everything is the account's, nothing is lost, and the guest is gone."""
    facts: list[Any] = []
    with connection.cursor() as cursor:
        for table in TABLES:
            column = "object_id" if table == "remark" else "user_id"
            cursor.execute(
                f"SELECT count(*), count(*) FILTER (WHERE {column} = %s) FROM belongings_{table}",
                [pair.account],
            )
            facts.append(cursor.fetchone())
        cursor.execute("SELECT sum(quantity) FROM belongings_cartitem")
        quantity = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM project_user")
        users = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM anonauth_mergerecord")
        records = cursor.fetchone()[0]
    expected: list[Any] = []
    for place, table in enumerate(TABLES):
        number = rows // len(TABLES) + (place < rows % len(TABLES))
        own = number - number // 2
        both = number if table in {"cartitem", "wish", "team_members"} else number + own
        expected.append((both, both))
        if table == "cartitem":
            expected_quantity = 2 * (number + own)
    if (facts, quantity or 0, users, records) != (expected, expected_quantity, 1, 1):
        sys.exit(f"{name}: this is no merge: {facts} {quantity} {users} {records}, not {expected}")


def turn(name: str, rows: int) -> float:
    """Return the seconds of one merge."""
    pair = fill(rows)
    gc.collect()
    start = time.perf_counter()
    ARMS[name](pair)
    seconds = time.perf_counter() - start
    check(name, pair, rows)
    return seconds


def peak(rows: int) -> int:
    """Return the bytes that anonauth's arm needs at most at a time."""
    pair = fill(rows)
    gc.collect()
    tracemalloc.start()
    with_anonauth(pair)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """Return the record of one size, after one turn of each arm that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in ARMS}
    for number in range(rounds + 1):
        # The other way around in every second round: nobody always comes first.
        for name in ARMS if number % 2 else reversed(ARMS):
            seconds = turn(name, rows)
            if number:
                times[name].append(seconds)
    pairs = zip(times["anonauth"], times["by hand"], strict=True)
    return {
        "rows": rows,
        **{f"{name} ms": statistics.median(found) * 1000 for name, found in times.items()},
        "ratio": harness.spread([ours / theirs for ours, theirs in pairs]),
        "peak_kib": peak(rows) // 1024,
    }


def print_table(records: list[dict[str, Any]]) -> None:
    """Print the records for people, and whether the goal is met."""
    rows = [["rows", "by hand, ms", "anonauth, ms", "ratio", "Python's peak, KiB"]]
    for record in records:
        times = [f"{record[f'{name} ms']:.1f}" for name in ARMS]
        cells = [f"{record['rows']:,}", *times, harness.shown(record["ratio"])]
        rows.append([*cells, str(record["peak_kib"])])
    print(harness.table(rows))
    print("\nratio: median over the rounds (lowest–highest).")
    for record in records:
        if record["rows"] == GOAL_ROWS:
            met = "met" if record["ratio"]["median"] <= GOAL else "MISSED"
            print(f"Goal at {GOAL_ROWS:,} rows: <= {GOAL}: {met}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, nargs="+", default=[10, 1_000, 100_000])
    parser.add_argument("--rounds", type=int, default=9, help="turns of each arm")
    parser.add_argument(
        "--not-durable", action="store_true", help="commits do not wait for the disk"
    )
    parser.add_argument("--json", action="store_true", help="print records for machines")
    options = parser.parse_args()
    os.environ |= {"BENCH_BELONGINGS": "1", "DJANGO_SETTINGS_MODULE": harness.SETTINGS}
    with harness.database(durable=not options.not_durable) as database:
        os.environ["BENCH_DATABASE_URL"] = database
        django.setup()
        server = harness.execute(database, "SHOW server_version")[0][0]
        records = [measure(rows, options.rounds) for rows in options.rows]
        connection.close()
    machine = harness.machine() | {"PostgreSQL": server}
    if options.json:
        print(json.dumps({"machine": machine, "records": records}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print_table(records)


if __name__ == "__main__":
    main()
