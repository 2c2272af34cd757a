"""A server process in a temporary directory, ended and cleaned up whatever happens."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Account:
    """The unprivileged user whom a server runs as when the tests run as root."""

    name: str
    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        """Return what :mod:`subprocess` needs to become this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def unprivileged(preferred: str) -> Account | None:
    """Return the account for a server that refuses root; None when we are not root anyway."""
    if os.geteuid() != 0:
        return None
    for name in (preferred, "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    return None


@contextlib.contextmanager
def directory(prefix: str, account: Account | None = None) -> Iterator[Path]:
    """Yield a new private directory with a path short enough for a Unix socket in it."""
    short = "/tmp" if Path("/tmp").is_dir() else None
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=short))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    try:
        if account is not None:
            os.chown(path, account.uid, account.gid)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(
    command: Sequence[object],
    *,
    log: Path,
    ready: Callable[[], bool],
    seconds: float = 30,
    **popen_arguments: Any,
) -> Iterator[None]:
    """Run a server while the block runs.

    It gets a session of its own: a Ctrl-C in the terminal ends the tests first, then they end it.

    Args:
        ready: asked every 50 ms until it is true.
        seconds: how long the server may take to get ready.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  one C call
            **popen_arguments,
        )
    end = atexit.register(functools.partial(_end, process))
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text('utf-8')}")
            time.sleep(0.05)
        yield
    finally:
        end()
        atexit.unregister(end)


def _die_with_parent() -> None:
    """Ask Linux to end this process when the tests are killed and can end nothing themselves."""
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG, prctl(2)
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGINT)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)  # PostgreSQL: fast shutdown; Redis: shutdown without a save
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
