"""anonauth works with every kind of user model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = sorted(path.parent.name for path in Path(__file__).parent.glob("*/models.py"))


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS)
def test_the_suite_passes_in_a_project(project: str) -> None:
    settings = f"tests.projects.{project}.settings"
    arguments = ["tests/projects/suite.py", f"--ds={settings}", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout
    assert " skipped" not in run.stdout


def test_there_are_four_kinds_of_user_models() -> None:
    assert PROJECTS == ["abstract_user_int", "email_null", "email_required", "handle_pk"]
