"""Lets the statements of a request speak for its user."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase

from anonauth.contrib.postgres.identity import OfRequest, speaking


class RowSecurityMiddleware:
    """Its place is after ``AuthenticationMiddleware``; it loads nobody itself, a statement that needs to know does."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._call_async(request)
        with speaking(OfRequest(request)):
            response = self.get_response(request)
        return _keep_speaking(request, response)

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        with speaking(OfRequest(request)):
            response = await self.get_response(request)
        return _keep_speaking(request, response)


def _keep_speaking(request: HttpRequest, response: Any) -> HttpResponseBase:
    # The body of a streaming answer is made after this middleware has ended.
    if response.streaming and not isinstance(response, FileResponse):
        chunks = response.streaming_content
        wrap = _aspoken if response.is_async else _spoken
        response.streaming_content = wrap(request, chunks)
    return response  # type: ignore[no-any-return]


def _spoken(request: HttpRequest, chunks: Any) -> Iterator[Any]:
    # SECURITY: only while the project's code makes a chunk. Whoever takes the chunks, e.g. a server's thread that
    # goes on to another request between two of them, must not speak for this user.
    iterator = iter(chunks)
    while True:
        with speaking(OfRequest(request)):
            try:
                chunk = next(iterator)
            except StopIteration:
                return
        yield chunk


async def _aspoken(request: HttpRequest, chunks: Any) -> AsyncIterator[Any]:
    iterator = aiter(chunks)
    while True:
        with speaking(OfRequest(request)):
            try:
                chunk = await anext(iterator)
            except StopAsyncIteration:
                return
        yield chunk
