"""The rules in Meta.constraints through their life: made, changed, renamed, taken away, and ignored elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, migrations, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.utils import ConnectionHandler
from rest_framework.serializers import ModelSerializer

from anonauth.contrib.postgres.constraints import DatabaseRule, RestrictAnonymous, RowSecurity
from tests.contrib.postgres.models import Notice

TABLE = "rows_thing"
ROWS = RowSecurity(name="thing_rows")
POLICY = RestrictAnonymous(name="thing_permanent", enforce="policy")
TRIGGER = RestrictAnonymous(name="thing_permanent")


def state_of(*rules: DatabaseRule, table: str = TABLE) -> ProjectState:
    """Return a project with one model that has these rules."""
    state = ProjectState()
    fields: list[tuple[str, Any]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("title", models.TextField()),
    ]
    options = {"constraints": list(rules), "indexes": [], "db_table": table}
    state.add_model(ModelState("rows", "Thing", fields, options))
    return state


def changes(before: ProjectState, after: ProjectState) -> list[Any]:
    """Return the operations that makemigrations would write, in order."""
    detector: Any = MigrationAutodetector(before.clone(), after.clone())
    found = detector._detect_changes()
    return [operation for migration in found.get("rows", []) for operation in migration.operations]


def migrate(before: ProjectState, operations: Sequence[Any], *, back: bool = False) -> None:
    """Run operations on the database, forwards and, if wanted, back again."""
    migration: Any = migrations.Migration("0002_thing", "rows")
    migration.operations = list(operations)
    with connection.schema_editor() as editor:
        after = migration.apply(before.clone(), editor)
    assert after is not None
    if back:
        with connection.schema_editor() as editor:
            migration.unapply(before.clone(), editor)


def catalog(table: str = TABLE) -> dict[str, Any]:
    """Return what the database has for a table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = %s", [table]
        )
        switch = cursor.fetchone()
        cursor.execute(
            "SELECT polname FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE relname = %s",
            [table],
        )
        policies = sorted(row[0] for row in cursor.fetchall())
        cursor.execute(
            "SELECT tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid"
            " WHERE relname = %s AND NOT tgisinternal",
            [table],
        )
        triggers = sorted(row[0] for row in cursor.fetchall())
        cursor.execute("SELECT count(*) FROM pg_proc WHERE proname = 'thing_permanent_refuse'")
        (functions,) = cursor.fetchone()
    return {"switch": switch, "policies": policies, "triggers": triggers, "functions": functions}


NAMES = ["thing_permanent_delete", "thing_permanent_insert", "thing_permanent_update"]
BARE = {"switch": (False, False), "policies": [], "triggers": [], "functions": 0}
SWITCHED = {"switch": (True, True), "policies": ["thing_rows"], "triggers": [], "functions": 0}
WITH_POLICIES = SWITCHED | {"policies": [*NAMES, "thing_rows"]}
WITH_TRIGGERS = BARE | {"triggers": NAMES, "functions": 1}


@pytest.fixture
def thing(db: None) -> ProjectState:
    """Give a project whose table has no rules yet."""
    state = state_of()
    migrate(ProjectState(), changes(ProjectState(), state))
    return state


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("rules", "expected"),
    [((ROWS,), SWITCHED), ((ROWS, POLICY), WITH_POLICIES), ((TRIGGER,), WITH_TRIGGERS)],
)
@pytest.mark.django_db
def test_a_new_table_comes_with_its_rules_and_goes_with_them(
    rules: tuple[DatabaseRule, ...], expected: dict[str, Any]
) -> None:
    operations = changes(ProjectState(), state_of(*rules))
    assert [type(o).__name__ for o in operations] == ["CreateModel"]
    migrate(ProjectState(), operations)
    assert catalog() == expected


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("rules", "expected"),
    [((ROWS,), SWITCHED), ((ROWS, POLICY), WITH_POLICIES), ((TRIGGER,), WITH_TRIGGERS)],
)
def test_rules_of_a_table_that_exists_are_made_and_reversed(
    thing: ProjectState, rules: tuple[DatabaseRule, ...], expected: dict[str, Any]
) -> None:
    operations = changes(thing, state_of(*rules))
    assert {type(o).__name__ for o in operations} == {"AddConstraint"}
    migrate(thing, operations, back=True)
    assert catalog() == BARE
    migrate(thing, operations)
    assert catalog() == expected
    with_rules = state_of(*rules)
    removal = changes(with_rules, thing)
    assert {type(o).__name__ for o in removal} == {"RemoveConstraint"}
    migrate(with_rules, removal, back=True)
    assert catalog() == expected
    migrate(with_rules, removal)
    assert catalog() == BARE


@pytest.mark.postgres
def test_taking_a_restriction_away_leaves_row_security_on(thing: ProjectState) -> None:
    both, one = state_of(ROWS, POLICY), state_of(ROWS)
    migrate(thing, changes(thing, both))
    migrate(both, changes(both, one))
    assert catalog() == SWITCHED


@pytest.mark.postgres
def test_other_commands_and_another_way_replace_what_was_there(thing: ProjectState) -> None:
    before = state_of(ROWS, POLICY)
    migrate(thing, changes(thing, before))
    fewer = RestrictAnonymous(name="thing_permanent", commands=["SELECT"], enforce="policy")
    after = state_of(ROWS, fewer)
    operations = changes(before, after)
    assert [type(o).__name__ for o in operations] == ["RemoveConstraint", "AddConstraint"]
    migrate(before, operations)
    assert catalog() == SWITCHED | {"policies": ["thing_permanent_select", "thing_rows"]}
    triggers = state_of(ROWS, TRIGGER)
    migrate(after, changes(after, triggers))
    assert catalog() == SWITCHED | {"triggers": NAMES, "functions": 1}


@pytest.mark.postgres
def test_rules_follow_a_table_that_is_renamed(thing: ProjectState) -> None:
    before = state_of(ROWS, POLICY)
    migrate(thing, changes(thing, before))
    after = state_of(ROWS, POLICY, table="rows_renamed")
    migrate(before, changes(before, after))
    assert catalog("rows_renamed") == WITH_POLICIES
    bare = state_of(table="rows_renamed")
    migrate(after, changes(after, bare))
    assert catalog("rows_renamed") == BARE


@pytest.mark.postgres
def test_dropping_a_column_touches_no_rule(thing: ProjectState) -> None:
    before = state_of(ROWS, POLICY)
    migrate(thing, changes(thing, before))
    migrate(before, [migrations.RemoveField("thing", "title")])
    assert catalog() == WITH_POLICIES


def test_nothing_is_written_twice() -> None:
    for rules in ((ROWS,), (ROWS, POLICY), (TRIGGER,)):
        assert changes(state_of(*rules), state_of(*rules)) == []
    assert RowSecurity(name="a") != RowSecurity(name="a", allow_by_default=False)
    assert len({RowSecurity(name="a"), RowSecurity(name="a")}) == 1


def test_a_migration_file_can_be_written_and_names_no_helper_of_ours() -> None:
    migration: Any = migrations.Migration("0001_initial", "rows")
    migration.operations = changes(ProjectState(), state_of(ROWS, POLICY))
    text = MigrationWriter(migration).as_string()
    assert "anonauth.contrib.postgres.constraints.RowSecurity(name='thing_rows')" in text
    assert "enforce='policy'" in text
    compile(text, "0001_initial.py", "exec")


@pytest.mark.django_db
def test_other_databases_get_the_table_and_no_rule() -> None:
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    sqlite: Any = ConnectionHandler({"default": engine})["default"]
    rules = state_of(ROWS, POLICY, RestrictAnonymous(name="thing_trigger"))
    sqlite.ensure_connection()
    with closing(sqlite.connection), sqlite.schema_editor(collect_sql=True) as editor:
        model = rules.apps.get_model("rows", "Thing")
        editor.create_model(model)
        for rule in model._meta.constraints:
            editor.add_constraint(model, rule)
            editor.remove_constraint(model, rule)
    sql = "\n".join(map(str, editor.collected_sql)).upper()
    assert "CREATE TABLE" in sql
    assert not any(word in sql for word in ("POLICY", "TRIGGER", "ROW LEVEL"))


@pytest.mark.django_db
def test_forms_and_serializers_have_nothing_to_validate() -> None:
    Notice(title="x").full_clean()
    with pytest.raises(ValidationError):
        Notice(title="").full_clean()

    class NoticeSerializer(ModelSerializer[Notice]):
        class Meta:
            model = Notice
            fields = ["title"]

    serializer = NoticeSerializer(data={"title": "x"})
    assert serializer.is_valid()
    assert "title" in repr(serializer)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"commands": ["SELECT"]}, "A trigger restricts INSERT, UPDATE, DELETE"),
        ({"commands": ["TRUNCATE"], "enforce": "policy"}, "A policy restricts SELECT"),
        ({"commands": []}, "restricts"),
        ({"enforce": "magic"}, "enforce is"),
        ({"name": "x" * 60}, "would cut the name"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused_when_it_is_written(
    options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        RestrictAnonymous(**{"name": "rule"} | options)


def test_a_rule_shows_what_it_is() -> None:
    assert repr(ROWS) == "<RowSecurity: name='thing_rows'>"
    assert "enforce='policy'" in repr(POLICY)
