"""Fixtures for everybody, the servers that tests ask for, and the report of what was left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache, caches
from django.db import connection

from anonauth import audit, refusals
from tests import services
from tests.services import browser as browser_service
from tests.services import redis as redis_service

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter
    from pytest_django import Settings
    from selenium.webdriver import Chrome

# A test that uses the fixture needs the service; no marker has to be written.
NEEDS = {"bouncer": "pgbouncer", "redis_url": "redis", "browser": "browser", "phone": "browser"}
LEFT_OUT: pytest.StashKey[Counter[str]] = pytest.StashKey()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, and count, the tests whose server this run does not have."""
    left_out = config.stash.setdefault(LEFT_OUT, Counter())
    missing = services.missing()
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in NEEDS:
                item.add_marker(NEEDS[fixture])
        for marker, (program, _) in services.LOSSES.items():
            if item.get_closest_marker(marker) is None:
                continue
            here = connection.vendor == "postgresql" if marker == "postgres" else True
            if program in missing or not here:
                item.add_marker(pytest.mark.skip(reason=f"needs {program}"))
                left_out[marker] += 1


def pytest_terminal_summary(
    terminalreporter: TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Say what this machine could not test, above pytest's own last line."""
    write = terminalreporter.write_line
    left_out = config.stash.get(LEFT_OUT, Counter[str]())
    missing = services.missing()
    if left_out["postgres"] and "PostgreSQL" not in missing:
        how = os.environ.get("TEST_RUN_FOLLOWS") or "python3 manage.py test --postgres"
        write(f"{left_out['postgres']} tests need PostgreSQL and were skipped here: {how}")
    if missing:
        terminalreporter.section("LEFT OUT ON THIS MACHINE", sep="!", red=True, bold=True)
        skipped = {services.LOSSES[marker][0]: count for marker, count in left_out.items()}
        for program, loss in missing.items():
            tests = f"; {skipped[program]} tests skipped" if program in skipped else ""
            write(f"no {program}: {loss}{tests}", red=True)
        write("Install them and run again, or see .ci/run, which installs all on Debian.")


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Start every test without counters of rate limits and other remembered things."""
    cache.clear()
    audit._windows.clear()
    refusals._buffer.take()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Give the URL of a Redis server that only the tests use."""
    binary = redis_service.find()
    assert binary is not None
    with redis_service.server(binary) as url:
        yield url


@pytest.fixture
def redis_cache(redis_url: str, settings: Settings) -> Iterator[Any]:
    """Make the default cache a real Redis, empty at first."""
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": redis_url}}
    caches["default"].clear()
    yield caches["default"]
    caches["default"].close()


@pytest.fixture
def browser() -> Iterator[Chrome]:
    """Open a fresh desktop window."""
    binaries = browser_service.find()
    assert binaries is not None
    with browser_service.window(binaries) as driver:
        yield driver


@pytest.fixture
def phone() -> Iterator[Chrome]:
    """Open a fresh browser with the page size and touch of a phone."""
    binaries = browser_service.find()
    assert binaries is not None
    with browser_service.window(binaries, size=browser_service.PHONE) as driver:
        yield driver
