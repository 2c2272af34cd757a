"""What benchmarks share: the servers, the load, the statistics. Only ratios within one run mean anything."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.services import postgres, process, redis

ROOT = Path(__file__).resolve().parent.parent
LOAD = Path(__file__).with_name("_load.py")
SETTINGS = "benchmarks.project.settings"
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


def machine() -> dict[str, str]:
    """Return what a reader has to know about where the numbers come from."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(
            (line.partition(": ")[2] for line in lines if line.startswith("model name")), model
        )
    packages = ("Django", "djangorestframework", "djangorestframework-simplejwt", "gunicorn")
    found = {name: metadata.version(name) for name in packages}
    cores = f"{os.cpu_count()} × {model}"
    return {"machine": cores, "Python": platform.python_version(), **found}


@contextlib.contextmanager
def database(*, durable: bool = True) -> Iterator[str]:
    """Yield the URL of an empty, migrated PostgreSQL database that is dropped afterwards.

    Args:
        durable: whether a commit waits for the disk, as in production; only for a server that is
            started here. A server that DATABASE_URL names is taken as it is.
    """
    with contextlib.ExitStack() as stack:
        given = os.environ.get("DATABASE_URL")
        server = given or stack.enter_context(_postgres(durable=durable))
        name = f"anonauth_benchmark_{os.getpid()}"
        parts = urlsplit(server)
        url = urlunsplit(parts._replace(path=f"/{name}"))
        execute(server, f"CREATE DATABASE {name}")
        stack.callback(execute, server, f"DROP DATABASE {name} WITH (FORCE)")
        options = ("--run-syncdb", "--verbosity=0", "--skip-checks")
        manage("migrate", *options, environment={"BENCH_DATABASE_URL": url})
        yield url


@contextlib.contextmanager
def _postgres(*, durable: bool) -> Iterator[str]:
    binaries = postgres.find()
    if binaries is None:
        sys.exit("No PostgreSQL server: install one or set DATABASE_URL.")
    with postgres.server(binaries) as url:
        if durable:
            for name, value in DURABLE.items():
                execute(url, f"ALTER SYSTEM SET {name} = {value}")
            execute(url, "SELECT pg_reload_conf()")
        yield url


@contextlib.contextmanager
def redis_server() -> Iterator[str | None]:
    """Yield the URL of a Redis of our own, or None on a machine that has none."""
    binary = redis.find()
    if binary is None:
        yield None
        return
    with redis.server(binary) as url:
        yield url


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement in autocommit and return its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def manage(*arguments: str, environment: Mapping[str, str]) -> None:
    """Run a management command of the benchmarks' project."""
    command = [sys.executable, "-m", "django", *arguments, f"--settings={SETTINGS}"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True)


@dataclass(frozen=True)
class Server:
    """A running gunicorn."""

    port: int
    pid_file: Path

    def cpu(self) -> float:
        """Return the seconds of CPU that its workers have used so far; NaN where there is no /proc."""
        master = self.pid_file.read_text("ascii").strip()
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # gone meanwhile
                fields = stat.read_text("utf-8").rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12]) if fields[1] == master else 0
        return ticks / os.sysconf("SC_CLK_TCK") if ticks else float("nan")


@contextlib.contextmanager
def gunicorn(name: str, environment: Mapping[str, str], *, threads: int = 4) -> Iterator[Server]:
    """Serve the benchmarks' project with two gthread workers.

    gthread, because gunicorn's sync workers close the connection after each answer.

    Args:
        name: for the log file, which is shown when the server does not start.
        environment: what makes this server differ from the others.
        threads: of each worker.
    """
    with socket.socket() as free, process.directory(f"anonauth-bench-{name}-") as home:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        pid_file = home / "pid"
        options = (
            f"--pid={pid_file} --workers=2 --worker-class=gthread --threads={threads} --keep-alive=120 "
            f"--bind=127.0.0.1:{port} --log-level=warning --worker-tmp-dir={home}"
        )
        with process.running(
            [sys.executable, "-m", "gunicorn", *options.split(), "benchmarks.project.wsgi"],
            log=home / "gunicorn.log",
            ready=lambda: _listens(port),
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": SETTINGS, **environment},
        ):
            yield Server(port, pid_file)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def post(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """Send one empty JSON object; return the status and the body of the answer."""
    headers = {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}{path}"
    with urllib.request.urlopen(urllib.request.Request(url, b"{}", headers)) as answer:
        return answer.status, json.load(answer)


@dataclass(frozen=True)
class Slice:
    """What one arm did in one turn."""

    statuses: dict[str, int]
    times: list[float]
    seconds: float
    busy: float  # the part of one core that the load generator itself used
    cpu: float  # seconds that the server's workers used

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.times) / self.seconds

    @property
    def cpu_each(self) -> float:
        """Seconds of the server's CPU for one answer."""
        return self.cpu / len(self.times)

    def percentile(self, percent: float) -> float:
        """Return the time in milliseconds within which so many percent were answered."""
        return percentile(self.times, percent)


def load(server: Server, path: str, *, connections: int, seconds: float) -> Slice:
    """Send requests from a separate process over kept-alive connections."""
    command = [sys.executable, LOAD, server.port, path, connections, seconds]
    before = server.cpu()
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, check=True, text=True
    )
    return Slice(**json.loads(done.stdout), cpu=server.cpu() - before)


def in_turns(
    arms: Sequence[Any], turn: Callable[..., Slice], *, rounds: int, seconds: float
) -> dict[str, list[Slice]]:
    """Return the turns of each arm, after one turn each that is not counted."""
    turns: dict[str, list[Slice]] = {arm.name: [] for arm in arms}
    for number in range(rounds + 1):
        # The other way around in every second round: nobody always comes first.
        for arm in arms if number % 2 else reversed(arms):
            length = seconds if number else min(seconds, 1.0)
            done = turn(arm, seconds=length)
            if number:
                turns[arm.name].append(done)
    return turns


def percentile(times: Sequence[float], percent: float) -> float:
    """Return a percentile (nearest rank) of times in seconds, in milliseconds."""
    ordered = sorted(times)
    rank = min(len(ordered) - 1, int(len(ordered) * percent / 100))
    return ordered[rank] * 1000


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median of some ratios, the lowest and the highest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def shown(values: Mapping[str, float]) -> str:
    """Return a spread as text: ``0.93 (0.90-0.95)``."""
    return f"{values['median']:.2f} ({values['min']:.2f}–{values['max']:.2f})"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown table; the first one is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])
