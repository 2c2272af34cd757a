"""simplejwt's blacklist app is honored where it is installed."""

from __future__ import annotations

import pytest

from tests.suites import run_suite


@pytest.mark.slow
def test_the_suite_of_the_blacklist_passes() -> None:
    run_suite(
        "tests/contrib/simplejwt/blacklist/suite.py",
        settings="tests.contrib.simplejwt.blacklist.settings",
    )
