"""Answers whose body is made after the middleware has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.http import FileResponse, StreamingHttpResponse
from django.test import RequestFactory

from anonauth.contrib.postgres import identity
from anonauth.contrib.postgres.middleware import RowSecurityMiddleware
from anonauth.contrib.postgres.refusals import StatementRefused
from tests.contrib.postgres.models import Notice
from tests.contrib.postgres.people import async_client, person
from tests.testapp.models import User


def stream_of(body: Any, user: Any = None) -> Any:
    """Return what the middleware makes of an answer with this body."""
    request = RequestFactory().get("/")
    request.user = user or User(is_guest=False)
    return RowSecurityMiddleware(lambda _: StreamingHttpResponse(body))(request)


def test_only_the_code_that_makes_a_chunk_speaks_and_not_who_takes_it() -> None:
    def body() -> Iterator[str]:
        yield identity.current_claims()
        yield identity.current_claims()

    chunks = iter(stream_of(body()))
    assert b'"is_anonymous":false' in next(chunks)
    assert identity.current_claims() == identity.VISITOR
    assert b'"is_anonymous":false' in next(chunks)
    assert list(chunks) == []


def test_an_async_body_speaks_the_same_way() -> None:
    async def body() -> AsyncIterator[str]:
        yield identity.current_claims()
        yield identity.current_claims()

    async def take() -> list[bytes]:
        seen = []
        async for chunk in stream_of(body()):
            seen.append(chunk)
            assert identity.current_claims() == identity.VISITOR
        return seen

    seen = asyncio.run(take())
    assert len(seen) == 2
    assert all(b'"is_anonymous":false' in chunk for chunk in seen)


@pytest.mark.django_db  # closing an answer tidies up connections
def test_a_body_that_is_not_read_to_its_end_is_closed() -> None:
    closed = []

    def body() -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(True)

    answer = stream_of(body())
    next(iter(answer))
    answer.close()
    assert closed == [True]


@pytest.mark.django_db  # closing an answer tidies up connections
def test_a_file_is_left_to_the_server(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    answer = FileResponse(path.open("rb"))
    request = RequestFactory().get("/")
    found: Any = RowSecurityMiddleware(lambda _: answer)(request)
    assert found.file_to_stream is not None
    found.close()


@pytest.mark.postgres
def test_an_async_stream_writes_for_its_user_and_for_nobody_else(as_project: None) -> None:
    async def read(kind: str) -> bytes:
        answer: Any = await async_client(people[kind]).get("/rows/async_stream/")
        try:
            return b"".join([chunk async for chunk in answer])
        finally:
            await sync_to_async(connections.close_all)()  # those of the thread of async code

    people = {kind: person(kind) for kind in ("permanent", "guest")}
    assert asyncio.run(read("permanent")) == b"begun written"
    with pytest.raises(StatementRefused):
        asyncio.run(read("guest"))
    assert Notice.objects.count() == 1
