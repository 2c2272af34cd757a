"""manage.py finds out what is missing before it imports anything that may be."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import manage


@pytest.mark.parametrize(
    ("version", "numbers"), [("6.1", (6, 1)), ("6.1rc1", (6, 1)), ("2024.8.6", (2024, 8, 6))]
)
def test_a_version_is_compared_by_its_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert manage.release(version) == numbers


def test_an_included_group_counts_too() -> None:
    names = manage.requirements("test")
    assert any(name.startswith("djangorestframework-simplejwt") for name in names)
    assert any(name.startswith("pytest") for name in names)
    assert set(manage.requirements("example")) < set(names)


def test_nothing_is_missing_where_the_tests_run() -> None:
    assert manage.missing_requirements("test") == []


def test_an_old_library_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = metadata.version

    def version(name: str) -> str:
        return "4.2.16" if name == "Django" else installed(name)

    monkeypatch.setattr(metadata, "version", version)
    (missing,) = manage.missing_requirements("example")
    assert missing.startswith("Django>=5.2")


def test_an_unknown_group_ends_with_one_line(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, manage.__file__, "install", "no-such-group"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == "manage.py: pyproject.toml has no dependency group 'no-such-group'\n"
