"""A Redis server for one run of the tests."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.services import process


def find() -> Path | None:
    """Return the path of ``redis-server`` (or its twin Valkey), if there is one."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


@contextlib.contextmanager
def server(binary: Path) -> Iterator[str]:
    """Run a server on a Unix socket, without persistence, and yield its URL."""
    with process.directory("anonauth-redis-") as home:
        socket = home / "redis.sock"
        url = f"unix://{socket}?db=0"
        options = {
            "port": 0,
            "unixsocket": socket,
            "dir": home,
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
        }
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        with process.running(
            [binary, *flags],
            log=home / "server.log",
            ready=lambda: _answers(url),
        ):
            yield url


def _answers(url: str) -> bool:
    import redis

    client = redis.Redis.from_url(url)
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
    finally:
        client.close()
