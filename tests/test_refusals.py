"""Refusals are counted for the statistics, and a flood of them writes next to nothing."""

from __future__ import annotations

import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anonauth import refusals
from anonauth.contrib.postgres.transport import without_claims
from anonauth.models import DailyTally
from anonauth.refusals import flush, on_request_finished
from tests.client import Api
from tests.races.threads import together

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries, Settings


@pytest.fixture
def closed(settings: Settings) -> None:
    settings.ANONAUTH_ENABLED = False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    start = time.monotonic()

    def later(seconds: float) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: start + seconds)

    return later


def tallies() -> dict[str, int]:
    return dict(DailyTally.objects.filter(event="refused").values_list("label", "count"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closed")
def test_a_flood_of_refusals_is_one_statement_a_minute(clock: Any) -> None:
    with CaptureQueriesContext(connection) as queries:
        for _ in range(300):
            assert Api().post("anonymous/").status_code == 403
    assert len(queries) == 0
    DailyTally.objects.add("refused", "anonymous_disabled")

    clock(61)
    with CaptureQueriesContext(connection) as queries:
        for _ in range(300):
            Api().post("anonymous/")

    assert [without_claims(query["sql"]).split()[0] for query in queries] == ["UPDATE"]
    assert tallies() == {"anonymous_disabled": 302}  # with the first one after the minute
    flush()
    assert tallies() == {"anonymous_disabled": 601}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closed")
def test_pages_and_endpoints_are_counted_alike(clock: Any, settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.test_refusals_urls"
    Api().post("anonymous/")
    assert Client().post("/write/").status_code == 403

    clock(61)
    Client().get("/")

    assert tallies() == {"anonymous_disabled": 2}


@pytest.mark.django_db
@pytest.mark.usefixtures("closed")
def test_a_projects_test_in_one_transaction_finds_no_statement_of_ours(
    clock: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Api().post("anonymous/")
    clock(61)
    with django_assert_num_queries(0):
        Api().post("anonymous/")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_answer_loses_no_count(
    clock: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for code in ("rate_limited", "rate_limited", "captcha_failed"):
        refusals._buffer.add(code)
    with monkeypatch.context() as patch:

        def broken(*args: Any, **kwargs: Any) -> None:
            raise OperationalError("server closed the connection unexpectedly")

        patch.setattr(type(DailyTally.objects.all()), "add", broken)
        clock(61)
        on_request_finished()
    assert "could not be counted: OperationalError" in caplog.text
    assert tallies() == {}

    on_request_finished()
    assert tallies() == {}  # not asked again at once
    clock(122)
    on_request_finished()

    assert tallies() == {"rate_limited": 2, "captcha_failed": 1}


@pytest.mark.django_db(transaction=True)
def test_the_counts_of_parallel_requests_and_of_a_flush_among_them_add_up() -> None:
    def refuse_many() -> None:
        for number in range(200):
            refusals._buffer.add("rate_limited")
            if connection.vendor == "postgresql" and number % 50 == 0:
                flush()

    together(*[refuse_many] * 4)
    flush()

    assert tallies() == {"rate_limited": 800}


@pytest.mark.django_db
def test_each_is_counted_for_the_day_on_which_it_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    today = timezone.now()
    refusals._buffer.add("rate_limited")
    monkeypatch.setattr(timezone, "now", lambda: today + timedelta(days=1))
    refusals._buffer.add("rate_limited", 2)
    flush()

    found: dict[date, int] = dict(DailyTally.objects.values_list("day", "count"))
    assert found == {today.date(): 1, today.date() + timedelta(days=1): 2}


@pytest.mark.django_db
def test_codes_without_number_or_end_fit_into_the_table() -> None:
    for number in range(300):
        refusals._buffer.add(f"code-{number}-" + "x" * 100)
    flush()

    found = tallies()
    assert len(found) == 101
    assert found["other"] == 200
    assert max(map(len, found)) == 40
