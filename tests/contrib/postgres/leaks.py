"""Stories in which somebody could speak for somebody else; each returns what went wrong, and nothing if all is well."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from asgiref.sync import sync_to_async
from django.db import Error, connection, connections, transaction

from anonauth.contrib.postgres.identity import as_guest, as_user, as_visitor
from tests.contrib.postgres.models import Notice
from tests.contrib.postgres.people import person

Block = Callable[[], AbstractContextManager[None]]


def writes(title: str) -> bool:
    """Tell whether whoever speaks now can write."""
    try:
        with transaction.atomic():
            Notice.objects.create(title=title)
    except Error:
        return False
    return True


def between_requests() -> list[str]:
    """A permanent user's request, then others on the same connection."""
    permanent, guest, visitor = person("permanent"), person("guest"), person("visitor")
    wrong = []
    for way in ("orm", "after_a_savepoint", "failing", "many", "stream"):
        permanent.get(way)
        wrong += [f"visitor after {way}"] if visitor.get("claims").json()["claims"] else []
        wrong += [f"guest after {way}"] if guest.get("orm").status_code != 403 else []
    return wrong


def after_an_exception() -> list[str]:
    """A block that ends by an exception."""
    permanent = person("permanent").user
    try:
        with as_user(permanent):
            writes("his")
            raise KeyError
    except KeyError:
        pass
    return ["nobody after the exception"] if writes("nobody's") else []


def in_one_transaction() -> list[str]:
    """Several speakers in a transaction, also around a savepoint that is rolled back."""
    permanent = person("permanent").user
    others: tuple[tuple[str, Block], ...] = (("visitor", as_visitor), ("guest", as_guest))
    wrong = []
    for name, block in others:
        with transaction.atomic():
            with as_user(permanent):
                wrong += [] if writes("his") else ["the user himself"]
            with block():
                wrong += [name] if writes("not his") else []
            with transaction.atomic():
                with as_user(permanent):
                    wrong += [] if writes("undone") else ["the user himself, in a savepoint"]
                transaction.set_rollback(True)
            with block():
                wrong += [f"{name} after a rollback"] if writes("not his") else []
            if Notice.objects.count() != 1:
                wrong.append(f"{name}: {Notice.objects.count()} rows")
            transaction.set_rollback(True)
    return wrong


def reads_in_one_transaction() -> list[str]:
    """A read by a guest in the transaction in which a permanent user has written."""
    permanent = person("permanent").user
    assert not Notice.objects.exists()
    with transaction.atomic():
        with as_user(permanent):
            writes("his")
        with as_guest(), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('request.jwt.claims', true)")
            (seen,) = cursor.fetchone()
        transaction.set_rollback(True)
    return [seen] if str(permanent.pk) in seen else []


def in_another_thread() -> list[str]:
    """A thread that a permanent user's code starts by hand."""
    permanent = person("permanent").user
    wrong: list[str] = []

    def work() -> None:
        try:
            wrong.extend(["the thread"] if writes("thread") else [])
        finally:
            connections.close_all()

    with as_user(permanent):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    return wrong


def in_another_task() -> list[str]:
    """Async tasks that take turns while each has a speaker of its own."""
    permanent = person("permanent").user
    wrong: list[str] = []

    async def work(block: Any, expected: bool) -> None:
        with block:
            for _ in range(4):
                await asyncio.sleep(0)
                try:
                    await Notice.objects.acreate(title="task")
                    done = True
                except Error:
                    done = False
                if done is not expected:
                    wrong.append("a task spoke for another one")

    async def both() -> None:
        await asyncio.gather(work(as_user(permanent), True), work(as_guest(), False))
        await sync_to_async(connections.close_all)()  # those of the thread of async code

    asyncio.run(both())
    return wrong


def from_the_session() -> list[str]:
    """A value that somebody left on the session of a connection."""
    permanent = '{"role":"authenticated","is_anonymous":false}'
    connection.ensure_connection()
    raw: Any = connection.connection
    raw.execute("SELECT set_config('request.jwt.claims', %s, false)", [permanent])
    try:
        return [
            name
            for name, block in (("visitor", as_visitor), ("guest", as_guest))
            if writes_in(block)
        ]
    finally:
        raw.execute("SELECT set_config('request.jwt.claims', '', false)")


def writes_in(block: Block) -> bool:
    """Tell whether a speaker can write."""
    with block():
        return writes("left over")


def by_hostile_claims() -> list[str]:
    """Claims whose text tries to end the literal, to be a parameter or to be another claim."""
    wrong = []
    for text in HOSTILE:
        with connection.cursor() as cursor:
            for sql, parameters in (
                ("SELECT current_setting('request.jwt.claims')::jsonb ->> 'note', %s", ["1"]),
                ("SELECT current_setting('request.jwt.claims')::jsonb ->> 'note', '%'", None),
            ):
                cursor.execute(sql, parameters)
                if cursor.fetchone()[0] != text:
                    wrong.append(text)
    return wrong


HOSTILE = (
    "'; DROP TABLE rows_notice; --",
    "\\'; SELECT set_config('request.jwt.claims', '{\"role\":\"service_role\"}', true); --",
    "%s %(name)s %% 100 %",
    "é ☃ \u202e",
    '", "role": "service_role", "x": "',
    "$$ /* */ -- \n;",
)
