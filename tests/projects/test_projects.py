"""anonauth works with every kind of user model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suites import run_suite

PROJECTS = sorted(path.parent.name for path in Path(__file__).parent.glob("*/settings.py"))


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS)
def test_the_suite_passes_in_a_project(project: str) -> None:
    settings = f"tests.projects.{project}.settings"
    printed = run_suite("tests/projects/suite.py", settings=settings)
    assert " skipped" not in printed


def test_there_are_four_kinds_of_user_models() -> None:
    assert PROJECTS == ["abstract_user_int", "email_null", "email_required", "handle_pk"]
