"""The operations for a project's migrations."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from django.db import ProgrammingError, connection, migrations, transaction
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.utils import ConnectionHandler

from anonauth.contrib.postgres.identity import as_user
from anonauth.contrib.postgres.operations import CreateAuthenticatedRole, CreateAuthFunctions
from tests.contrib.postgres.people import person

STATE = ProjectState()
FUNCTIONS = """
SELECT proname, pg_get_function_result(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
WHERE nspname = 'auth' ORDER BY proname"""


def run(operation: Any, *, back: bool = False) -> None:
    with connection.schema_editor(atomic=False) as editor:
        step = operation.database_backwards if back else operation.database_forwards
        step("rows", editor, STATE, STATE)


def query(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found: list[Any] = cursor.fetchall()
        return found


@pytest.mark.postgres
@pytest.mark.django_db
def test_the_functions_come_with_the_type_of_the_key_and_go_again() -> None:
    run(CreateAuthFunctions())
    assert query(FUNCTIONS) == [("jwt", "jsonb"), ("role", "text"), ("uid", "uuid")]
    run(CreateAuthFunctions(), back=True)
    assert query(FUNCTIONS) == []
    assert query("SELECT count(*) FROM pg_namespace WHERE nspname = 'auth'") == [(0,)]


@pytest.mark.postgres
@pytest.mark.django_db
def test_another_type_can_be_asked_for(settings: Any) -> None:
    run(CreateAuthFunctions(uid="text"))
    settings.ANONAUTH_ROW_SECURITY_READS = True
    user = person("permanent").user
    with as_user(user):
        assert query("SELECT auth.uid()") == [(str(user.pk),)]


@pytest.mark.postgres
@pytest.mark.django_db
def test_what_the_project_keeps_in_the_schema_stays() -> None:
    run(CreateAuthFunctions())
    query_nothing("CREATE TABLE auth.own (id int)")
    run(CreateAuthFunctions(), back=True)
    assert query("SELECT count(*) FROM auth.own") == [(0,)]


@pytest.mark.postgres
@pytest.mark.django_db
def test_functions_of_supabases_own_are_not_replaced() -> None:
    query_nothing("CREATE SCHEMA auth")
    query_nothing("CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'")
    with pytest.raises(ProgrammingError, match="already exists"), transaction.atomic():
        run(CreateAuthFunctions())
    assert query(FUNCTIONS) == [("jwt", "jsonb")]


@pytest.mark.postgres
@pytest.mark.django_db
def test_the_role_is_made_once_and_the_migrating_role_is_a_member() -> None:
    member = "SELECT pg_has_role(current_user, 'rows_authenticated', 'MEMBER')"
    for _ in range(2):
        run(CreateAuthenticatedRole("rows_authenticated"))
        assert query(member) == [(True,)]
    run(CreateAuthenticatedRole("rows_authenticated"), back=True)
    assert query(member) == [(True,)]


def query_nothing(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.django_db
def test_other_databases_are_left_alone() -> None:
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    sqlite: Any = ConnectionHandler({"default": engine})["default"]
    sqlite.ensure_connection()
    with closing(sqlite.connection), sqlite.schema_editor(collect_sql=True) as editor:
        for operation in (CreateAuthFunctions(), CreateAuthenticatedRole()):
            operation.database_forwards("rows", editor, STATE, STATE)
            operation.database_backwards("rows", editor, STATE, STATE)
        assert editor.collected_sql == []


class Elsewhere:
    """A router that keeps this app out of the database."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return False


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_router_keeps_them_out(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.Elsewhere"]
    run(CreateAuthFunctions())
    assert query(FUNCTIONS) == []


def test_a_migration_file_can_be_written_with_them() -> None:
    class Migration(migrations.Migration):
        operations = [CreateAuthFunctions(uid="uuid"), CreateAuthenticatedRole()]

    migration = Migration("0002_auth", "rows")
    text = MigrationWriter(migration).as_string()
    assert "anonauth.contrib.postgres.operations" in text
    compile(text, "0002_auth.py", "exec")
    described = [operation.describe() for operation in migration.operations]
    assert described == [
        "Create auth.uid(), auth.jwt() and auth.role()",
        "Create the role authenticated",
    ]
