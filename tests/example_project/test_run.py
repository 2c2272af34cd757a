"""The shop's stories, run with the shop's own settings and user model."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.suites import run_suite

SUITES = sorted(path.name for path in Path(__file__).parent.glob("suite_*.py"))


def environment() -> dict[str, str]:
    """Return a clean environment for the shop, on the kind of database that this run is on."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANONAUTH_")}
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        # Not the test database of the run that started this one.
        url = urlsplit(url)._replace(path="/example_project").geturl()
    return {
        **clean,
        "DATABASE_URL": url or "sqlite://:memory:",
        "DEBUG": "1",
        "CACHE_URL": "",
        "EMAIL_FILE_PATH": "",
        "OIDC_SERVER_URL": "",
        # The suites make orders and reviews themselves, not in a request.
        "ANONAUTH_ROW_SECURITY_OUTSIDE_REQUESTS": '"service"',
    }


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_the_shops_suite_passes(suite: str) -> None:
    printed = run_suite(
        f"tests/example_project/{suite}",
        settings="example_project.settings",
        environment=environment(),
    )
    if os.environ.get("TEST_DATABASE_URL"):
        assert " skipped" not in printed


def test_each_part_of_the_shop_has_a_suite() -> None:
    parts = ["access", "api", "database", "merge", "pages", "upgrade"]
    assert [f"suite_{part}.py" for part in parts] == SUITES
