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
        """Return the keys of the guests, from the shop's database, but for those that the demo made up."""
        query = (
            "SELECT id FROM accounts_user WHERE is_anonymous AND username NOT LIKE 'demo-guest-%'"
        )
        return [row[0] for row in self.rows(query)]

    def is_guest(self, key: str) -> bool:
        """Tell whether the user with this key is a guest; there has to be one."""
        ((flag,),) = self.rows(f"SELECT is_anonymous FROM accounts_user WHERE id = '{key}'")
        return bool(flag)

    def user_with_address(self, address: str) -> str:
        """Return the key of the one user whose verified address this is."""
        ((key,),) = self.rows(
            f"SELECT user_id FROM account_emailaddress WHERE email = '{address}' AND verified"
        )
        return str(key)

    def cart_of(self, key: str) -> list[tuple[str, int]]:
        """Return name and number of what is in a user's cart."""
        return self.rows(
            "SELECT name, quantity FROM shop_cartitem JOIN shop_product"
            f" ON shop_product.id = product_id WHERE user_id = '{key}' ORDER BY shop_cartitem.id"
        )

    def orders_of(self, key: str) -> list[str]:
        """Return the totals of a user's orders."""
        rows = self.rows(f"SELECT total FROM shop_order WHERE user_id = '{key}'")
        return [f"{total:.2f}" for (total,) in rows]

    def execute(self, *statements: str) -> None:
        """Change the shop's database, all or nothing."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as database, database:
            for statement in statements:
                database.execute(statement)

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
def running(port: int, **variables: str) -> Iterator[Demo]:
    """Run the shop on a port, or on one of the next where that is taken, with more variables in its environment."""
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
            arguments, log=log, ready=answers, cwd=ROOT, env={**environment(database), **variables}
        ):
            yield Demo(url=(url() or "").rstrip("/"), database=database, log=log)


def free_port() -> int:
    """Return a port on which nobody listens at this moment."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
