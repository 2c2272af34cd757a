"""``manage.py test``: all that this machine can test, and a loud word on what it cannot.

Without pytest arguments the suite runs on SQLite and, where a PostgreSQL server is installed (it
is started in a temporary directory) or ``TEST_DATABASE_URL`` names one, on PostgreSQL as well, at
the same time; what is said of the second run follows on what is said of the first.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
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
    if options.postgres and "PostgreSQL" in lacking:
        sys.stderr.write("No PostgreSQL server: install one or set TEST_DATABASE_URL.\n")
        return 1
    signal.signal(signal.SIGTERM, _terminate)
    if both and "PostgreSQL" not in lacking:
        return _on_both()
    if options.postgres:
        with _postgres_url() as url:
            return _wait(_start("PostgreSQL", pytest_arguments, TEST_DATABASE_URL=url))
    return _wait(_start("SQLite", pytest_arguments))


def _on_both() -> int:
    """Run the tests on both databases at the same time, as one run keeps one core busy."""
    with _postgres_url() as url, tempfile.TemporaryDirectory(prefix="anonauth-tests-") as folder:
        logs = [Path(folder, name) for name in ("SQLite", "PostgreSQL")]
        follows = "the run on it follows"
        runs = [
            _start("SQLite", [], log=logs[0], TEST_RUN_FOLLOWS=follows),
            _start("PostgreSQL", ["-m", "not demo"], log=logs[1], TEST_DATABASE_URL=url),
        ]
        try:
            codes = [_show(run, log) for run, log in zip(runs, logs, strict=True)]
        except SystemExit:
            _stop(*runs)
            raise
        if codes[0] and not codes[1]:
            sys.stdout.write("\nThe run on SQLite failed, and ended like this:\n")
            text = logs[0].read_text(errors="replace")
            sys.stdout.write(text[max(0, text.rfind("short test summary info")) :])
    return max(codes)


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


def _start(
    label: str, arguments: Sequence[str], *, log: Path | None = None, **variables: str
) -> subprocess.Popen[bytes]:
    """Start pytest in a process of its own, which says what it does here or in a file."""
    environment = {"TEST_DATABASE_URL": "", "TEST_RUN_FOLLOWS": "", "PYTHONUNBUFFERED": "1"}
    if log is not None and sys.stdout.isatty():
        environment["FORCE_COLOR"] = "1"
    with contextlib.ExitStack() as stack:
        output = None if log is None else stack.enter_context(log.open("wb"))
        say = sys.stdout.buffer if output is None else output
        say.write(f"\nRunning the tests on {label}\n".encode())
        say.flush()
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment, **variables},
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
        )


def _show(process: subprocess.Popen[bytes], log: Path) -> int:
    """Print what a run writes until it ends, and return its exit code."""
    with log.open("rb") as output:
        while True:
            try:
                ended = process.poll() is not None
                sys.stdout.buffer.write(output.read())
                sys.stdout.buffer.flush()
                if ended:
                    return process.returncode
                time.sleep(0.2)
            except KeyboardInterrupt:  # pytest, which has got it too, is cleaning up
                continue


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Return the exit code of a run; after a Ctrl-C, once it has cleaned up."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
        except SystemExit:
            _stop(process)
            raise


def _stop(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)  # pytest cleans up after this one, not after SIGTERM
    for process in processes:
        process.wait()


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
