"""Each system check of row-level security: what triggers it, and that it stays silent otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection, connections, models
from django.db.utils import ConnectionHandler
from django.test.utils import isolate_apps

from anonauth.contrib.postgres import checks, inspection, transport
from anonauth.contrib.postgres.constraints import RestrictAnonymous, RowSecurity

MIDDLEWARE = "anonauth.contrib.postgres.middleware.RowSecurityMiddleware"


def ids(*, database: bool = False) -> list[str]:
    """Return the ids of what the checks of this app find."""
    found = run_checks(tags=["anonauth"], databases=["default"] if database else [])
    return sorted(str(m.id) for m in found if str(m.id)[10:12] in ("50", "51"))


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


# --- without a database


def test_the_test_project_is_clean() -> None:
    assert ids() == []


@isolate_apps("tests")
def test_policies_without_row_security_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ignored(models.Model):  # noqa: DJ008
        class Meta:
            app_label = "tests"
            constraints = [RestrictAnonymous(name="ignored", enforce="policy")]

    class Trigger(models.Model):  # noqa: DJ008
        class Meta:
            app_label = "tests"
            constraints = [RestrictAnonymous(name="trigger")]

    class Both(models.Model):  # noqa: DJ008
        class Meta:
            app_label = "tests"
            constraints = [
                RowSecurity(name="both_rows"),
                RestrictAnonymous(name="both", enforce="policy"),
            ]

    monkeypatch.setattr(apps, "get_models", lambda: [Ignored, Trigger, Both])
    (found,) = checks.check_declarations(None)
    assert (found.id, found.obj) == ("anonauth.E501", Ignored)


def test_rules_without_the_middleware_are_an_error(settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]
    assert ids() == ["anonauth.E502"]


def test_a_driver_other_than_psycopg_3_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        vendor = "postgresql"
        alias = "old"

        class Database:
            __name__ = "psycopg2"

    Old.Database.__name__ = "psycopg2"
    monkeypatch.setattr(connections, "all", lambda: [Old])
    assert [m.id for m in checks.check_driver(None)] == ["anonauth.E503"]


# --- with a database


@pytest.fixture
def owner(plain: None) -> None:
    """Be the owner of the tables, no superuser; what a test changes is undone with its transaction."""


@pytest.mark.postgres
@pytest.mark.usefixtures("owner")
def test_the_tables_of_the_test_project_are_clean() -> None:
    assert ids(database=True) == []


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_superuser_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    if not inspection.role("default").is_superuser:
        pytest.skip("the tests' own role is no superuser here")
    assert ids(database=True) == ["anonauth.W504"]


@pytest.mark.postgres
@pytest.mark.usefixtures("owner")
@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("ALTER TABLE rows_notice NO FORCE ROW LEVEL SECURITY", ["W505"]),
        ("ALTER TABLE rows_notice DISABLE ROW LEVEL SECURITY", ["W506", "W508"]),
        ("DROP POLICY notice_rows ON rows_notice", ["W506", "W509"]),
        ("DROP POLICY notice_permanent_insert ON rows_notice", ["W506"]),
        ("DROP TRIGGER parcel_permanent_delete ON rows_parcel", ["W506"]),
        ("ALTER POLICY notice_permanent_insert ON rows_notice WITH CHECK (true)", ["W507"]),
        (
            "ALTER POLICY notice_permanent_update ON rows_notice USING (id > 0)"
            " WITH CHECK ((SELECT current_setting('request.jwt.claims', true)) <> '')",
            ["W507"],
        ),
        ("ALTER POLICY notice_permanent_delete ON rows_notice USING (id = 5)", ["W507"]),
        ("ALTER POLICY notice_permanent_delete ON rows_notice USING (1 / 0 = 1)", ["W507"]),
        ("ALTER POLICY notice_rows ON rows_notice USING (id = 5)", ["W507"]),
        ("ALTER POLICY notice_permanent_insert ON rows_notice TO CURRENT_USER", ["W507"]),
        ("ALTER TABLE rows_parcel DISABLE TRIGGER parcel_permanent_insert", ["W507"]),
        (
            "CREATE OR REPLACE FUNCTION parcel_permanent_refuse() RETURNS trigger"
            " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            ["W507", "W507", "W507"],
        ),
        (
            "CREATE OR REPLACE TRIGGER parcel_permanent_insert BEFORE INSERT ON rows_parcel"
            " FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION parcel_permanent_refuse()",
            ["W507"],
        ),
        ("CREATE POLICY own ON posts USING (true)", ["W508"]),
        (
            "ALTER TABLE posts ENABLE ROW LEVEL SECURITY; ALTER TABLE posts FORCE ROW LEVEL SECURITY;"
            " CREATE POLICY own ON posts AS RESTRICTIVE USING (true)",
            ["W509"],
        ),
        (
            "CREATE POLICY own ON rows_notice FOR INSERT"
            " WITH CHECK (current_setting('request.jwt.claims', true) <> '(SELECT')",
            ["W510"],
        ),
        (
            "CREATE POLICY own ON rows_notice FOR INSERT"
            " WITH CHECK ((SELECT current_setting('request.jwt.claims', true)) <> '')",
            [],
        ),
        (
            "CREATE POLICY own ON rows_notice FOR SELECT"
            " USING ((SELECT current_setting('request.jwt.claims', true)) <> '')",
            ["W511"],
        ),
    ],
)
def test_what_somebody_changed_by_hand_is_a_warning(statement: str, expected: list[str]) -> None:
    run(statement)
    assert ids(database=True) == [f"anonauth.{number}" for number in expected]


@pytest.mark.postgres
@pytest.mark.usefixtures("owner")
def test_the_same_condition_in_other_words_is_the_same() -> None:
    run(
        "ALTER POLICY notice_permanent_insert ON rows_notice WITH CHECK ((SELECT coalesce("
        "nullif(current_setting('request.jwt.claims', true), '')::json ->> 'is_anonymous' = 'false'"
        " OR nullif(current_setting('request.jwt.claims', true), '')::json ->> 'role' = 'service_role',"
        " false)))"
    )
    assert ids(database=True) == []


@pytest.mark.postgres
@pytest.mark.usefixtures("owner")
def test_a_policy_for_readers_is_right_where_reads_carry_claims(settings: Any) -> None:
    settings.ANONAUTH_ROW_SECURITY_READS = True
    run(
        "CREATE POLICY own ON rows_notice FOR SELECT"
        " USING ((SELECT current_setting('request.jwt.claims', true)) <> '')"
    )
    assert ids(database=True) == []


@pytest.fixture
def reading_rule(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a model restrict SELECT."""
    with isolate_apps("tests"):

        class Secret(models.Model):  # noqa: DJ008
            class Meta:
                app_label = "tests"
                constraints = [
                    RowSecurity(name="secret_rows"),
                    RestrictAnonymous(name="secret", commands=["SELECT"], enforce="policy"),
                ]

        monkeypatch.setattr(apps, "get_models", lambda **options: [Secret])
        transport._a_rule_restricts_reading.cache_clear()
        yield
    transport._a_rule_restricts_reading.cache_clear()


def test_reads_carry_claims_where_a_declared_rule_restricts_them_or_the_setting_says_so(
    reading_rule: None, settings: Any
) -> None:
    assert transport.reads_need_claims()
    settings.ANONAUTH_ROW_SECURITY_READS = False
    assert not transport.reads_need_claims()


def test_reads_of_the_test_project_carry_none() -> None:
    transport._a_rule_restricts_reading.cache_clear()
    assert not transport.reads_need_claims()


@pytest.mark.postgres
@pytest.mark.usefixtures("owner")
def test_migrate_is_not_stopped_by_what_it_is_about_to_mend() -> None:
    run("DROP POLICY notice_rows ON rows_notice")
    call_command("check", databases=["default"], tags=["anonauth"])


@pytest.mark.postgres
@pytest.mark.usefixtures("owner")
def test_looking_changes_nothing_and_leaves_the_transaction_writable() -> None:
    checks.check_tables(None, databases=["default"])
    run("CREATE TABLE still_writable (id int)")
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('transaction_read_only'), current_setting('statement_timeout')"
        )
        assert cursor.fetchone() == ("off", "0")


def test_other_databases_are_not_asked() -> None:
    if connection.vendor != "postgresql":
        assert checks.check_tables(None, databases=["default"]) == []
    assert checks.check_tables(None, databases=None) == []
    assert checks.check_role(None, databases=None) == []


@pytest.mark.django_db
def test_a_database_that_does_not_answer_is_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = {"HOST": "127.0.0.1", "PORT": "1", "NAME": "none"}
    nowhere = {"ENGINE": "django.db.backends.postgresql", **nobody}
    monkeypatch.setattr(
        checks, "connections", ConnectionHandler({"default": {}, "nowhere": nowhere})
    )

    (message,) = run_checks(tags=["anonauth"], databases=["nowhere"])

    assert message.id == "anonauth.W512"
    assert "refused" in str(message.hint)
