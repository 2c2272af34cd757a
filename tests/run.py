"""``manage.py test``: all that this machine can test, and a loud word on what it cannot.

Without pytest arguments the suite runs on SQLite and, where a PostgreSQL server is installed (it
is started in a temporary directory) or ``TEST_DATABASE_URL`` names one, on PostgreSQL as well.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from tests import services
from tests.services import postgres

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests and return the exit code; 0 only when every run passed."""
    options, pytest_arguments = _parse(arguments)
    lacking = services.missing()
    if lacking and options.require_all:
        for name, loss in lacking.items():
            sys.stderr.write(f"{name} is not installed, so this would be left out: {loss}.\n")
        return 1
    both = not (pytest_arguments or options.postgres or options.sqlite)
    on_sqlite = both or not options.postgres
    on_postgres = options.postgres or (both and "PostgreSQL" not in lacking)
    if on_postgres and "PostgreSQL" in lacking:
        sys.stderr.write("No PostgreSQL server: install one or set TEST_DATABASE_URL.\n")
        return 1
    signal.signal(signal.SIGTERM, _terminate)
    codes: dict[str, int] = {}
    if on_sqlite:
        follows = "the run on it follows" if on_postgres else ""
        codes["SQLite"] = _pytest("SQLite", pytest_arguments, TEST_RUN_FOLLOWS=follows)
    if on_postgres and codes.get("SQLite") != 2:  # 2: interrupted by the user
        failed = "SQLite" if codes.get("SQLite") else ""
        with _postgres_url() as url:
            rest = ["-m", "not demo"] if both else pytest_arguments
            codes["PostgreSQL"] = _pytest(
                "PostgreSQL", rest, TEST_DATABASE_URL=url, TEST_RUN_FAILED=failed
            )
    return max(codes.values())


def _parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="manage.py test",
        description="Run the tests. Other arguments are pytest's; with them there is one run.",
        allow_abbrev=False,
    )
    parser.add_argument("--sqlite", action="store_true", help="only on SQLite")
    parser.add_argument("--postgres", action="store_true", help="only on PostgreSQL")
    parser.add_argument(
        "--require-all",
        action="store_true",
        default=os.environ.get("TEST_REQUIRE_ALL", "") not in ("", "0"),
        help="fail where a server or browser is missing (also: TEST_REQUIRE_ALL=1)",
    )
    return parser.parse_known_args(arguments)


def _pytest(label: str, arguments: Sequence[str], **variables: str) -> int:
    """Run pytest in a process of its own; after a Ctrl-C, wait until it has cleaned up."""
    sys.stdout.write(f"\nRunning the tests on {label}\n")
    sys.stdout.flush()
    environment = {"TEST_DATABASE_URL": "", "TEST_RUN_FOLLOWS": "", "TEST_RUN_FAILED": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment, **variables},
    )
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
        except SystemExit:
            process.send_signal(signal.SIGINT)  # pytest cleans up after this one, not after SIGTERM
            process.wait()
            raise


@contextlib.contextmanager
def _postgres_url() -> Iterator[str]:
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
    elif binaries := postgres.find():
        with postgres.server(binaries) as started:
            yield started


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(143)  # through the context managers, so that no server is left behind


if __name__ == "__main__":
    sys.exit(main())
