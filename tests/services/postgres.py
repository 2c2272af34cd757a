"""A PostgreSQL server for one run of the tests; nothing of it survives."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from tests.services import process

USER = "anonauth"


def find() -> Path | None:
    """Return the directory of the newest installed server's binaries, if there is one."""
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    if in_path := shutil.which("initdb"):
        places.append(Path(in_path).resolve().parent)
    usable = [p for p in places if (p / "initdb").exists() and (p / "postgres").exists()]
    return max(usable, key=_version, default=None)


def _version(binaries: Path) -> int:
    shown = subprocess.run(
        [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=False
    )
    numbers = re.findall(r"\d+", shown.stdout)
    return int(numbers[0]) if numbers else 0


@contextlib.contextmanager
def server(binaries: Path) -> Iterator[str]:
    """Run a server on a Unix socket and yield its URL; durability is off, so it is fast."""
    account = process.unprivileged("postgres")
    as_account = account.popen_arguments() if account else {}
    with process.directory("anonauth-pg-", account) as home:
        data = home / "data"
        initdb = f"{binaries}/initdb -A trust -E UTF8 --locale=C --no-sync -U {USER} -D"
        made = subprocess.run(
            [*initdb.split(), str(data)],
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
            **as_account,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": home,
            "max_connections": 200,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "jit": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        url = f"postgresql://{USER}@{quote(str(home), safe='')}/postgres"
        with process.running(
            [binaries / "postgres", "-D", data, *options],
            log=home / "server.log",
            ready=lambda: _accepts(url),
            cwd=home,
            **as_account,
        ):
            yield url


def _accepts(url: str) -> bool:
    import psycopg  # not needed to ask which servers the machine has

    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
