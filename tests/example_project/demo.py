"""The example shop as ``manage.py demo`` starts it, in a process and with a database of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services import process

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Demo:
    """A running shop."""

    url: str
    database: Path
    log: Path

    def guests(self) -> list[str]:
        """Return the keys of the guests, from the shop's database."""
        return [row[0] for row in self.rows("SELECT id FROM accounts_user WHERE is_anonymous")]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what the shop's database answers."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as database:
            return database.execute(query).fetchall()


def command(*arguments: str) -> list[str]:
    """Return the command line of the demo."""
    return [sys.executable, "-u", "manage.py", "demo", *arguments]


def environment(database: Path) -> dict[str, str]:
    """Return the environment of a shop that has this database."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANONAUTH_")},
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "DATABASE_URL": f"sqlite:///{database}",
        "DEBUG": "1",
        "ANONAUTH_RATE_LIMITS": '["1000/m"]',
    }


@contextlib.contextmanager
def running(port: int) -> Iterator[Demo]:
    """Run the shop on a port, or on one of the next where that is taken."""
    with process.directory("anonauth-shop-") as directory:
        database, log = directory / "shop.sqlite3", directory / "log"

        def url() -> str | None:
            found = re.search(r"Open\s+(\S+)", log.read_text("utf-8"))
            return found.group(1) if found else None

        def answers() -> bool:
            found = url()
            if found is None:
                return False
            connection = http.client.HTTPConnection(found.split("/")[2], timeout=5)
            with contextlib.closing(connection), contextlib.suppress(OSError):
                connection.request("GET", "/")
                return connection.getresponse().status == 200
            return False

        arguments = command("--port", str(port))
        with process.running(
            arguments, log=log, ready=answers, cwd=ROOT, env=environment(database)
        ):
            yield Demo(url=(url() or "").rstrip("/"), database=database, log=log)


def free_port() -> int:
    """Return a port on which nobody listens at this moment."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
