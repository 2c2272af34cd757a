"""What the tables let whom do, asked of the database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from anonauth.contrib.postgres.identity import as_guest, as_service, as_visitor
from anonauth.contrib.postgres.table_audit import audit_tables
from anonauth.registry import table_audits
from tests.contrib.postgres.models import Parcel

pytestmark = pytest.mark.postgres


def of(table: str) -> dict[str, tuple[str, str, str]]:
    """Return command -> the verdicts for visitor, guest and permanent user."""
    return {
        row["command"]: (row["visitor"], row["guest"], row["permanent"])
        for row in audit_tables("default")
        if row["table"] == table
    }


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


OPEN, CLOSED = ("yes", "yes", "yes"), ("no", "no", "no")
PERMANENT = ("no", "no", "yes")


@pytest.mark.usefixtures("plain")
def test_declared_rules_answer_by_policy_and_by_trigger_alike() -> None:
    expected = {"SELECT": OPEN, "INSERT": PERMANENT, "UPDATE": PERMANENT, "DELETE": PERMANENT}
    assert of("rows_notice") == expected
    assert of("rows_parcel") == expected
    assert set(of("posts").values()) == {OPEN}


@pytest.mark.usefixtures("plain")
def test_each_record_says_why() -> None:
    reasons = {(row["table"], row["command"]): row["reason"] for row in audit_tables("default")}
    assert reasons["rows_notice", "INSERT"] == "policy notice_permanent_insert, policy notice_rows"
    assert reasons["rows_notice", "SELECT"] == "policy notice_rows"
    assert reasons["rows_parcel", "DELETE"] == "trigger parcel_permanent_delete"
    assert reasons["posts", "INSERT"] == "no rule in the database"


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    ("policies", "command", "expected"),
    [
        ("", "SELECT", CLOSED),
        ("CREATE POLICY a ON posts FOR SELECT USING (name = 'public')", "SELECT", ("some rows",) * 3),
        ("CREATE POLICY a ON posts FOR INSERT WITH CHECK (true)", "INSERT", OPEN),
        ("CREATE POLICY a ON posts FOR INSERT WITH CHECK (true)", "UPDATE", CLOSED),
        ("CREATE POLICY a ON posts AS RESTRICTIVE USING (true)", "DELETE", CLOSED),
        ("CREATE POLICY a ON posts USING (1 / 0 = 1)", "SELECT", ("unknown",) * 3),
        (
            "CREATE POLICY a ON posts FOR SELECT USING ((SELECT nullif(current_setting("
            "'request.jwt.claims', true), '')::json ->> 'is_anonymous') = 'true' OR name = 'x')",
            "SELECT",
            ("some rows", "yes", "some rows"),
        ),
    ],
)  # fmt: skip
def test_policies_that_somebody_wrote_are_asked(
    policies: str, command: str, expected: tuple[str, ...]
) -> None:
    run(
        "ALTER TABLE posts ENABLE ROW LEVEL SECURITY; ALTER TABLE posts FORCE ROW LEVEL SECURITY;"
        + policies
    )
    assert of("posts")[command] == expected


@pytest.mark.usefixtures("plain")
def test_an_owner_who_is_not_forced_is_told_so() -> None:
    run("ALTER TABLE rows_notice NO FORCE ROW LEVEL SECURITY")
    assert set(of("rows_notice").values()) == {OPEN}
    (reason,) = {r["reason"] for r in audit_tables("default") if r["table"] == "rows_notice"}
    assert "policies ignored" in reason
    assert "owns the table" in reason


@pytest.mark.django_db
def test_a_trigger_holds_for_a_superuser_and_a_policy_does_not() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() != (True,):
            pytest.skip("the tests' own role is no superuser here")
    assert of("rows_notice")["INSERT"] == OPEN
    assert of("rows_parcel")["INSERT"] == PERMANENT


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("block", [as_visitor, as_guest, as_service])
def test_the_report_is_the_same_whoever_runs_it(block: Any) -> None:
    with block():
        assert of("rows_notice")["INSERT"] == PERMANENT
    assert not Parcel.objects.exists()


def test_the_command_finds_the_audit() -> None:
    assert audit_tables in table_audits
