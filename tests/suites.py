"""Suites that need another project's settings run in a pytest of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_suite(path: str, *, settings: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a file of tests under other settings and return what pytest printed; a failure is an error.

    Args:
        path: the file, from the root of the repository.
        settings: the settings module.
        environment: the variables of the process; default: those of this one.
    """
    variables = dict(os.environ if environment is None else environment)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", path, f"--ds={settings}", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**variables, "DJANGO_SETTINGS_MODULE": settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout
    return run.stdout
