"""Ways in which a project's views write to a table that has rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from psycopg import sql
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from anonauth.api.errors import exception_handler
from anonauth.contrib.simplejwt.authentication import JWTAuthentication
from tests.contrib.postgres.models import Notice


def orm(request: HttpRequest) -> HttpResponse:
    Notice.objects.create(title="orm")
    return HttpResponse("written")


def raw(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO rows_notice (title) VALUES (%s) RETURNING title", ["100 %"])
        return HttpResponse(cursor.fetchone()[0])


def raw_without_parameters(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO rows_notice (title) VALUES ('100 %s %')")
        return HttpResponse(str(cursor.rowcount))


def composed(request: HttpRequest) -> HttpResponse:
    query = sql.SQL("INSERT INTO {} (title) VALUES ({})")
    with connection.cursor() as cursor:
        cursor.execute(query.format(sql.Identifier("rows_notice"), sql.Literal("100 %")))
    return HttpResponse("written")


def commented(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("-- why\n/* and why */ INSERT INTO rows_notice (title) VALUES ('commented')")
    return HttpResponse("written")


def bulk(request: HttpRequest) -> HttpResponse:
    Notice.objects.bulk_create([Notice(title=str(number)) for number in range(50)])
    return HttpResponse("written")


def many(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO rows_notice (title) VALUES (%s)", [["a"], ["b"]])
    return HttpResponse("written")


def after_a_savepoint(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        try:
            with transaction.atomic():
                Notice.objects.create(title="undone")
                raise KeyError
        except KeyError:
            pass
        Notice.objects.create(title="kept")
    return HttpResponse("written")


def failing(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        Notice.objects.create(title="lost")
        raise ValueError("on purpose")


def update(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(Notice.objects.update(title="changed")))


def delete(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(Notice.objects.all().delete()[0]))


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        yield b"begun "
        Notice.objects.create(title="streamed")
        yield b"written"

    return StreamingHttpResponse(body())


async def async_orm(request: HttpRequest) -> HttpResponse:
    await Notice.objects.acreate(title="async")
    return HttpResponse("written")


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"begun "
        await Notice.objects.acreate(title="streamed")
        yield b"written"

    return StreamingHttpResponse(body())


def knowing(request: HttpRequest) -> HttpResponse:
    """Look at the user, as most views that write do, and write."""
    Notice.objects.create(title=f"by {request.user.pk}")
    return HttpResponse("written")


def look(request: HttpRequest) -> HttpResponse:
    """Read something that no rule is about."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return HttpResponse(str(cursor.fetchone()[0]))


def claims(request: HttpRequest) -> JsonResponse:
    """Tell what the session of the database holds, in a statement that carries nothing itself."""
    connection.ensure_connection()
    assert connection.connection is not None
    with connection.connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('request.jwt.claims', true), pg_backend_pid()")
        value, pid = cursor.fetchone()
    return JsonResponse({"claims": value, "pid": pid})


class Api(APIView):
    """Recognizes its user inside of the view, with REST framework's own answers to errors."""

    authentication_classes: Any = [JWTAuthentication]
    permission_classes: Any = [AllowAny]
    schema = None  # no part of the schema that tests/contrib/test_spectacular.py checks

    def post(self, request: Request) -> Response:
        Notice.objects.create(title="api")
        return Response({"written": True}, status=201)


class OurApi(Api):
    """The same with anonauth's answers."""

    def get_exception_handler(self) -> Any:
        return exception_handler
