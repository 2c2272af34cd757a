"""A pgbouncer in transaction mode, in front of the PostgreSQL server of the tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.services import process

POOL_SIZE = 1
"""Server connections for each user and database: with one, everybody is handed what the one before has left."""


def find() -> Path | None:
    """Return the path of ``pgbouncer``, if there is one."""
    found = shutil.which(
        "pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    )
    return Path(found) if found else None


@contextlib.contextmanager
def server(
    binary: Path, database: Mapping[str, Any], users: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Run a pgbouncer on loopback and yield what differs in the settings of a database behind it.

    Args:
        database: Django's settings of the server behind it.
        users: name -> password of those who may connect.
    """
    account = process.unprivileged("postgres")
    as_account = account.popen_arguments() if account else {}
    with process.directory("anonauth-bouncer-", account) as home:
        port = _free_port()
        behind = f"host={database['HOST']}" + (
            f" port={database['PORT']}" if database["PORT"] else ""
        )
        known = home / "users.txt"
        known.write_text("".join(f'"{name}" "{word}"\n' for name, word in users.items()), "utf-8")
        configuration = home / "pgbouncer.ini"
        configuration.write_text(
            f"""
            [databases]
            * = {behind}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = plain
            auth_file = {known}
            pool_mode = transaction
            default_pool_size = {POOL_SIZE}
            max_client_conn = 50
            """,
            "utf-8",
        )
        with process.running(
            [binary, configuration],
            log=home / "server.log",
            ready=lambda: _listens(port),
            cwd=home,
            **as_account,
        ):
            yield {"HOST": "127.0.0.1", "PORT": str(port)}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
