"""Real threads, each with a database connection of its own, released at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connections, transaction

T = TypeVar("T")


def together(*acts: Callable[[], T]) -> list[T]:
    """Run all acts at once and return what they returned, in their order; the first error is raised."""
    barrier = Barrier(len(acts), timeout=30)

    def run(act: Callable[[], T]) -> T:
        try:
            barrier.wait()
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def behind(lock: Callable[[], object], *acts: Callable[[], T]) -> list[T]:
    """Run acts that all wait for a lock, in this order, before the first of them gets it; return what they returned.

    Args:
        lock: takes the lock in the transaction of this thread, which ends when everybody waits.
        acts: are started one after the other, each when the one before waits.
    """

    def run(act: Callable[[], T]) -> T:
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        with transaction.atomic():
            lock()
            running = []
            for number, act in enumerate(acts, start=1):
                running.append(pool.submit(run, act))
                wait_for_blocked_backends(number)
        return [each.result() for each in running]


def wait_for_blocked_backends(number: int = 1) -> None:
    """Return as soon as so many connections wait for locks; the window is forced, not slept for."""
    connection = connections.create_connection("default")
    try:
        with connection.cursor() as cursor:
            for _ in range(2000):
                cursor.execute(
                    "SELECT pg_sleep(0.005), count(*) FROM pg_stat_activity "
                    "WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
                if cursor.fetchone()[1] >= number:
                    return
        raise AssertionError("nobody waited for the lock")
    finally:
        connection.close()
