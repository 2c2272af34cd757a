"""While the probe runs, nothing can be written, sent or started.

Guards are the project's code, and they do run. What has an effect outside of the process is stopped where the
interpreter announces it (audit hooks, PEP 578), and in the database by the database.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.conf import settings as django_settings
from django.core import signals
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.mail import EmailMessage
from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from anonauth.registry import access_libraries, statement_cleaners

#: BEGIN is how Django opens a transaction on SQLite, where query_only is in force.
READS = (
    "SELECT",
    "BEGIN",
    "SAVEPOINT",
    "RELEASE SAVEPOINT",
    "ROLLBACK TO SAVEPOINT",
    "SHOW",
    "EXPLAIN",
)
LOCKS = (" FOR UPDATE", " FOR NO KEY UPDATE", " FOR SHARE", " FOR KEY SHARE")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

#: Events of the interpreter and what a guard that causes one does. ``open`` is looked at more closely.
EFFECTS = {
    "network": (
        "socket.bind socket.connect socket.getaddrinfo socket.gethostbyaddr socket.gethostbyname"
        " socket.getnameinfo socket.sendmsg socket.sendto"
    ),
    "another process": (
        "os.exec os.fork os.forkpty os.kill os.killpg os.posix_spawn os.spawn os.system pty.spawn"
        " subprocess.Popen"
    ),
    "files": (
        "os.chmod os.chown os.link os.mkdir os.remove os.rename os.rmdir os.setxattr os.symlink"
        " os.truncate os.utime"
    ),
    "another database": "sqlite3.connect",
}
EVENTS = {event: what for what, events in EFFECTS.items() for event in events.split()}
CACHE_WRITES = ("add", "set", "touch", "delete", "clear", "incr", "set_many", "delete_many")


class Blocked(BaseException):
    """A guard tried something that the probe does not let happen; not to be caught by ``except Exception``."""


class _Hook:
    """The audit hook of this process: one can be added and never be removed, so it is asleep at other times."""

    added = False
    awake = 0

    @classmethod
    @contextmanager
    def on_duty(cls) -> Iterator[None]:
        if not cls.added:
            sys.addaudithook(cls.heed)
            cls.added = True
        cls.awake += 1
        try:
            yield
        finally:
            cls.awake -= 1

    @classmethod
    def heed(cls, event: str, arguments: tuple[Any, ...]) -> None:
        if not cls.awake:
            return
        if event in EVENTS:
            raise Blocked(EVENTS[event])
        if event == "open" and _writes(arguments):
            raise Blocked("files")


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, mode, flags = (*arguments, None, None, 0)[:3]
    if isinstance(path, int) or path == os.devnull:
        return False
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return isinstance(flags, int) and bool(flags & WRITES)


@contextmanager
def sealed(*, database: bool) -> Iterator[Callable[[], Any]]:
    """Keep whatever runs inside from having effects; gives the context in which each single call belongs.

    Args:
        database: whether guards may read from the databases; nobody ever writes.
    """
    with ExitStack() as stack:
        aliases = _open_databases() if database else []
        for alias in connections:
            _seal_database(stack, alias, readable=alias in aliases)
        stack.enter_context(swapped(BaseDatabaseWrapper, "connect", _no_database))
        if not aliases:
            stack.enter_context(swapped(transaction.Atomic, "__enter__", _do_nothing))
            stack.enter_context(swapped(transaction.Atomic, "__exit__", _do_nothing))
        _seal_caches(stack)
        stack.enter_context(swapped(EmailMessage, "send", _block("mail")))
        stack.enter_context(swapped(signals.got_request_exception, "send", lambda *a, **k: []))
        stack.enter_context(swapped(django_settings, "DEBUG_PROPAGATE_EXCEPTIONS", True))
        stack.enter_context(swapped(sys, "dont_write_bytecode", True))
        stack.enter_context(_silence())
        for library in access_libraries:
            stack.enter_context(library.sealed())
        stack.enter_context(_Hook.on_duty())
        yield lambda: _rolled_back(aliases)


@contextmanager
def swapped(target: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute another value for a while."""
    own = name in vars(target) if hasattr(target, "__dict__") else True
    before = getattr(target, name)
    setattr(target, name, value)
    try:
        yield
    finally:
        if own or target is django_settings:
            setattr(target, name, before)
        else:
            delattr(target, name)


def _block(what: str) -> Callable[..., Any]:
    def blocked(*args: Any, **kwargs: Any) -> Any:
        raise Blocked(what)

    return blocked


def _do_nothing(*args: Any) -> None:
    return


_no_database = _block("the database")


def _open_databases() -> list[str]:
    """Connect where that is possible; a guard that asks a database that is away cannot be judged."""
    found = []
    for alias in connections:
        try:
            connections[alias].ensure_connection()
        except Error:
            continue
        found.append(alias)
    return found


def _seal_database(stack: ExitStack, alias: str, *, readable: bool) -> None:
    connection = connections[alias]
    if not readable:
        for name in ("ensure_connection", "cursor"):
            stack.enter_context(swapped(connection, name, _no_database))
        return
    stack.enter_context(connection.execute_wrapper(_read_only))
    if connection.vendor == "sqlite":
        # Behind the wrapper's back too, e.g. by the driver's own cursor.
        stack.enter_context(_query_only(connection))
        # BEGIN IMMEDIATE would want to write.
        if hasattr(connection, "transaction_mode"):
            stack.enter_context(swapped(connection, "transaction_mode", None))


@contextmanager
def _query_only(connection: Any) -> Iterator[None]:
    execute = connection.connection.execute
    execute("PRAGMA query_only = ON")
    try:
        yield
    finally:
        execute("PRAGMA query_only = OFF")


def _read_only(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    statement = str(sql)
    for clean in statement_cleaners:
        statement = clean(statement)
    text = " ".join(statement.upper().split()).lstrip("( ")
    if not text.startswith(READS) or any(lock in text for lock in LOCKS):
        raise Blocked("the database for writing" if not text.startswith("SELECT") else "row locks")
    return execute(sql, params, many, context)


@contextmanager
def _rolled_back(aliases: list[str]) -> Iterator[None]:
    """Run one call in a transaction of each database, read-only where it can be told, and undo it."""
    with ExitStack() as stack:
        for alias in aliases:
            stack.enter_context(_one_rolled_back(alias))
        yield


@contextmanager
def _one_rolled_back(alias: str) -> Iterator[None]:
    connection = connections[alias]
    if connection.vendor == "sqlite":
        # query_only holds anyway, and BEGIN IMMEDIATE would keep other processes from writing.
        yield
        return
    with transaction.atomic(using=alias):
        if connection.vendor == "postgresql":
            with connection.connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
        try:
            yield
        finally:
            transaction.set_rollback(True, using=alias)


def _seal_caches(stack: ExitStack) -> None:
    for alias in django_settings.CACHES:
        real = caches[alias]
        for name in CACHE_WRITES:
            # For who imported the cache itself; everybody else finds the dummy.
            stack.enter_context(swapped(real, name, _block("the cache")))
        caches[alias] = DummyCache(alias, {})
        stack.callback(caches.__setitem__, alias, real)


@contextmanager
def _silence() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
