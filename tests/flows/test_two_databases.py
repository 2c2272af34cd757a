from __future__ import annotations

import pytest

from tests.suites import run_suite


@pytest.mark.slow  # a pytest of its own, because the databases are chosen when Django starts
def test_users_in_two_databases_are_purged_each_by_its_own_run() -> None:
    path = "tests/flows/two_databases/suite.py"
    assert "4 passed" in run_suite(path, settings="tests.flows.two_databases.settings")
