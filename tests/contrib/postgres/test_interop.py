"""Beside other libraries that put something around each statement: they and we see what each is there for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pghistory.runtime import _inject_history_context
from pghistory.runtime import context as history

from anonauth.contrib.postgres.identity import as_guest, as_user
from anonauth.contrib.postgres.testing import refused
from anonauth.contrib.postgres.transport import carry_claims
from tests.contrib.postgres.models import Notice
from tests.contrib.postgres.modes import PASSWORD, ROLE
from tests.contrib.postgres.people import person
from tests.suites import ROOT

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("as_project")]


@pytest.fixture(params=["ours outside", "theirs outside"])
def order(request: pytest.FixtureRequest) -> str:
    order: str = request.param
    return order


def arrange(order: str, theirs: Any) -> None:
    """Put our wrapper and another one into an order; Django's first is the outermost."""
    wrappers = connection.execute_wrappers
    assert set(wrappers) == {carry_claims, theirs}
    wrappers[:] = [carry_claims, theirs] if order == "ours outside" else [theirs, carry_claims]


BOTH = """
INSERT INTO rows_notice (title) VALUES (%s)
RETURNING current_setting('pghistory.context_metadata', true), current_setting('request.jwt.claims', true)"""


def test_pghistory_keeps_its_context_and_the_statement_its_claims(order: str) -> None:
    permanent = person("permanent").user
    with history(why="test"):
        arrange(order, _inject_history_context)
        with as_user(permanent), connection.cursor() as cursor:
            cursor.execute(BOTH, ["100 %"])
            cursor.execute(BOTH, ["100 %"])
        with as_user(permanent):
            notice = Notice.objects.create(title="orm")
            Notice.objects.filter(pk=notice.pk).update(title="changed")
            assert Notice.objects.get(pk=notice.pk).title == "changed"
        with as_guest(), refused():
            Notice.objects.create(title="no")
        wrappers = connection.execute_wrappers
        wrappers.sort(key=lambda wrapper: wrapper is _inject_history_context)
    assert connection.execute_wrappers == [carry_claims]
    assert Notice.objects.count() == 3


def test_pghistorys_context_is_in_the_statement_that_has_our_claims(order: str) -> None:
    permanent = person("permanent").user
    with history(why="test"):
        arrange(order, _inject_history_context)
        with as_user(permanent), CaptureQueriesContext(connection) as queries:
            Notice.objects.create(title="both")
        connection.execute_wrappers.sort(key=lambda wrapper: wrapper is _inject_history_context)
    (query,) = queries.captured_queries
    assert "pghistory.context_metadata" in query["sql"]
    assert str(permanent.pk) in query["sql"]


def test_a_connection_that_is_made_inside_of_another_wrapper_keeps_ours() -> None:
    connection.close()
    connection.execute_wrappers.clear()
    with history(why="test"):
        assert connection.execute_wrappers == [_inject_history_context]
        with as_guest(), refused():
            Notice.objects.create(title="no")
    assert connection.execute_wrappers == [carry_claims]


@pytest.fixture
def spans(
    request: pytest.FixtureRequest, order: str, settings: Any
) -> Iterator[InMemorySpanExporter]:
    """Instrument Django with OpenTelemetry, comments in SQL included, around our middleware or inside of it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    settings.MIDDLEWARE = list(settings.MIDDLEWARE)
    place = len(settings.MIDDLEWARE) if order == "ours outside" else 0
    instrumentor = DjangoInstrumentor()
    instrumentor.instrument(
        tracer_provider=provider, is_sql_commentor_enabled=True, middleware_position=place
    )
    yield exporter
    instrumentor.uninstrument()


def test_opentelemetry_comments_on_the_statement_and_it_is_refused_or_done(
    spans: InMemorySpanExporter,
) -> None:
    permanent, guest = person("permanent"), person("guest")
    with CaptureQueriesContext(connection) as queries:
        assert permanent.get("raw").content == b"100 %"
    (insert,) = [q["sql"] for q in queries.captured_queries if "INSERT" in q["sql"]]
    assert "route=" in insert
    assert str(permanent.user.pk) in insert
    assert permanent.get("orm").status_code == 200
    assert guest.get("orm").status_code == 403
    assert guest.get("raw_without_parameters").status_code == 403
    statuses = [(span.attributes or {})["http.status_code"] for span in spans.get_finished_spans()]
    assert statuses == [200, 200, 403, 403]


@pytest.mark.slow
@pytest.mark.parametrize("first", ["sentry", "django"])
def test_sentry_traces_the_statement_and_it_is_refused_or_done(
    first: str, project_role: str
) -> None:
    """It patches Django for good, so it runs in a process of its own, on the same database."""
    behind = connection.settings_dict
    user, password = (
        (ROLE, PASSWORD) if project_role == ROLE else (behind["USER"], behind["PASSWORD"])
    )
    place = f"{quote(behind['HOST'], safe='')}{':' if behind['PORT'] else ''}{behind['PORT']}"
    url = f"postgresql://{user}:{quote(password, safe='')}@{place}/{behind['NAME']}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.contrib.postgres.under_sentry", first],
        cwd=ROOT,
        env={**os.environ, "TEST_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["statuses"] == {"permanent": 200, "guest": 403}
    assert any("INSERT INTO" in statement for statement in seen["statements"])
    assert seen["errors"] == []
