"""Nobody ever speaks for somebody else; and a variant of the code that has the mistake is caught by the same story."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from anonauth.adapter import Adapter
from anonauth.contrib.postgres import identity, transport
from anonauth.contrib.postgres.identity import as_user
from anonauth.contrib.postgres.refusals import StatementRefused
from anonauth.flows.upgrade import upgrade
from tests.contrib.postgres import leaks
from tests.contrib.postgres.models import Notice
from tests.contrib.postgres.modes import MODES, connected
from tests.contrib.postgres.people import User, person

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("as_project")]


@pytest.fixture
def for_the_session(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Break it: set the claims for the session, as other libraries do, instead of for the transaction."""
    literal = transport._literal

    def broken(own: Any, text: str) -> str:
        own.connection.execute(
            f"SELECT set_config('{transport.SETTING}', {literal(own, text)}, false)"
        )
        return literal(own, text)

    monkeypatch.setattr(transport, "_literal", broken)
    yield
    connection.close()


@pytest.fixture
def only_once_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break it: send nothing for a visitor, and nothing again in a transaction that has claims."""
    carry = transport._carry

    def broken(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        own = context["connection"]
        if own.in_atomic_block and getattr(own, transport.SET, False):
            return execute(sql, params, many, context)
        if not own.in_atomic_block:
            setattr(own, transport.SET, False)
        return carry(execute, sql, params, many, context)

    monkeypatch.setattr(transport, "_carry", broken)


@pytest.fixture
def one_speaker_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break it: a global variable instead of a context variable."""

    class Global:
        value: Any = None

        def get(self) -> Any:
            return self.value

        def set(self, value: Any) -> Any:
            before, self.value = self.value, value
            return before

        def reset(self, token: Any) -> None:
            self.value = token

    monkeypatch.setattr(identity, "_speaker", Global())


@pytest.fixture
def never_reset(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Break it: forget who spoke only when the block ends well."""
    before = identity._speaker.get()

    class Forgetful:
        def get(self) -> Any:
            return identity_speaker.get()

        def set(self, value: Any) -> Any:
            identity_speaker.set(value)

        def reset(self, token: Any) -> None:
            pass

    identity_speaker = identity._speaker
    monkeypatch.setattr(identity, "_speaker", Forgetful())
    yield
    identity_speaker.set(before)


@pytest.fixture
def nothing_for_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break it: leave statements of visitors as they are."""
    carry = transport._carry

    def broken(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not identity.current_claims():
            return execute(sql, params, many, context)
        return carry(execute, sql, params, many, context)

    monkeypatch.setattr(transport, "_carry", broken)


def test_nobody_speaks_for_the_user_of_the_request_before() -> None:
    assert leaks.between_requests() == []


@pytest.mark.usefixtures("for_the_session")
def test_claims_for_the_session_would_be_seen_to_reach_the_next_request() -> None:
    assert "visitor after orm" in leaks.between_requests()


def test_nobody_speaks_after_a_block_that_failed() -> None:
    assert leaks.after_an_exception() == []


@pytest.mark.usefixtures("never_reset")
def test_a_block_that_forgets_to_reset_would_be_seen() -> None:
    assert leaks.after_an_exception() == ["nobody after the exception"]


def test_each_statement_of_a_transaction_has_its_own_speaker() -> None:
    assert leaks.in_one_transaction() == []
    assert leaks.reads_in_one_transaction() == []


@pytest.mark.usefixtures("only_once_a_transaction")
def test_claims_that_stay_for_a_transaction_would_be_seen() -> None:
    assert leaks.in_one_transaction() != []
    assert leaks.reads_in_one_transaction() != []


def test_a_thread_that_is_started_by_hand_speaks_for_nobody() -> None:
    assert leaks.in_another_thread() == []


@pytest.mark.usefixtures("one_speaker_for_all")
def test_a_global_speaker_would_be_seen_in_another_thread() -> None:
    assert leaks.in_another_thread() == ["the thread"]


def test_async_tasks_keep_their_speakers() -> None:
    assert leaks.in_another_task() == []


@pytest.mark.usefixtures("one_speaker_for_all")
def test_a_global_speaker_would_be_seen_in_another_task() -> None:
    assert leaks.in_another_task() != []


def test_what_somebody_left_on_the_session_helps_nobody() -> None:
    assert leaks.from_the_session() == []


@pytest.mark.usefixtures("nothing_for_visitors")
def test_a_wrapper_that_says_nothing_for_visitors_would_be_seen() -> None:
    assert leaks.from_the_session() == ["visitor"]


@pytest.mark.pgbouncer
@pytest.mark.usefixtures("for_the_session")
def test_claims_for_the_session_would_be_seen_to_leak_through_pgbouncer(
    bouncer: dict[str, Any], project_role: str
) -> None:
    """Two clients of pgbouncer with one connection to the server: the second one gets what the first one left."""
    with connected(project_role, **MODES["pgbouncer"], **bouncer):
        with as_user(User.objects.create_user("permanent")):
            assert leaks.writes("his")
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('request.jwt.claims', true)")
            (left,) = cursor.fetchone()
        assert "is_anonymous" in left
        assert connection.connection is not None
        connection.connection.execute("SELECT set_config('request.jwt.claims', '', false)")


class Hostile(Adapter):
    """Puts something that users can write into the claims, under every name."""

    note = ""

    def database_claims(self, user: Any) -> dict[str, Any]:
        return {"note": self.note, "role": "service_role", "is_anonymous": False, "sub": "1"}


@pytest.fixture
def hostile(settings: Any) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.Hostile"
    settings.ANONAUTH_ROW_SECURITY_READS = True


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("text", leaks.HOSTILE)
@pytest.mark.parametrize("strings", ["on", "off"])
def test_hostile_text_in_the_claims_stays_text(
    text: str, strings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hostile, "note", text)
    monkeypatch.setattr(leaks, "HOSTILE", (text,))
    with connection.cursor() as cursor:
        cursor.execute(f"SET standard_conforming_strings = {strings}")
    with as_user(person("guest").user):
        assert leaks.by_hostile_claims() == []
        assert not leaks.writes("not his")
    assert not Notice.objects.exists()


@pytest.mark.usefixtures("hostile")
def test_text_that_is_not_escaped_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "x', true); SELECT set_config('request.jwt.claims', '{\"role\":\"service_role\"}', true); --"
    monkeypatch.setattr(Hostile, "note", text)
    monkeypatch.setattr(transport, "_literal", lambda connection, text: f"'{text}'")
    monkeypatch.setattr(identity, "encode", lambda claims: claims["note"])
    with as_user(person("guest").user), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        seen = cursor.fetchall()
    assert seen != [(1,)], "the injected statement ran"


@pytest.mark.usefixtures("hostile")
def test_claims_of_the_project_never_say_who_somebody_is() -> None:
    guest = person("guest").user
    text = identity.claims_of(guest)
    assert re.findall(r'"role":"(\w+)"', text) == ["authenticated"]
    assert f'"sub":"{guest.pk}"' in text
    assert '"is_anonymous":true' in text


def test_a_nul_character_in_the_claims_refuses_instead_of_being_cut(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.Hostile"
    monkeypatch.setattr(Hostile, "note", "a\x00b")
    with as_user(User.objects.create_user("permanent")):
        assert not leaks.writes("nul")


def test_sql_below_django_speaks_for_nobody() -> None:
    with as_user(User.objects.create_user("permanent")):
        assert leaks.writes("through Django")
        raw: Any = connection.connection
        with pytest.raises(Exception, match="row-level security") as caught:
            raw.execute("INSERT INTO rows_notice (title) VALUES ('below')")
    error: Any = caught.value
    assert error.sqlstate == "42501"
    assert not isinstance(error, StatementRefused)


def test_a_guest_who_becomes_permanent_may_write_in_the_same_block() -> None:
    user = person("guest").user
    with as_user(user):
        assert not leaks.writes("before")
        upgrade(user, method="email")
        assert leaks.writes("after")


def test_a_row_that_does_not_know_whether_it_is_a_guest_is_taken_for_one() -> None:
    class Stranger:
        pk = 1
        is_authenticated = True

    with as_user(Stranger()):
        assert not leaks.writes("stranger")
