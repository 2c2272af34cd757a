"""Real servers for the tests, each started in a directory of its own and gone with the run."""

from __future__ import annotations

import os

from tests.services import browser, pgbouncer, postgres, redis

# By marker: the program, and what is lost without it.
LOSSES = {
    "postgres": ("PostgreSQL", "the whole suite on PostgreSQL (races, locks, partial indexes)"),
    "pgbouncer": ("pgbouncer", "row-level security through a real pgbouncer"),
    "redis": ("redis-server", "the tests against a real Redis cache"),
    "browser": ("chromium", "the tests in a real browser (needs chromium and chromedriver)"),
}


def missing() -> dict[str, str]:
    """Return the programs that this machine lacks, and what is left out without each."""
    found = {
        "postgres": os.environ.get("TEST_DATABASE_URL") or postgres.find(),
        "pgbouncer": pgbouncer.find(),
        "redis": redis.find(),
        "browser": browser.find(),
    }
    return dict(LOSSES[marker] for marker, what in found.items() if not what)
