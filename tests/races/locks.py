"""Forcing a window open: waiting until another connection waits for a lock."""

from __future__ import annotations

from django.db import connections


def wait_for_a_blocked_backend(number: int = 1) -> None:
    """Return as soon as other connections wait for a lock; the window is forced, not slept for."""
    with connections.create_connection("default").cursor() as cursor:
        for _ in range(2000):
            cursor.execute(
                "SELECT pg_sleep(0.005), count(*) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[1] >= number:
                break
        else:
            raise AssertionError("nobody waited for the lock")
    cursor.connection.close()
