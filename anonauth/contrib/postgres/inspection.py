"""What the database itself says about its rules: roles, tables, policies, triggers, and what they answer to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connections, router, transaction

from anonauth.contrib.postgres import identity
from anonauth.contrib.postgres.constraints import DatabaseRule
from anonauth.contrib.postgres.sql import COMMANDS

IDENTITIES = {
    "visitor": identity.VISITOR,
    "guest": identity.GUEST,
    "permanent": identity.PERMANENT,
    "service": identity.SERVICE,
}

#: The bits of pg_trigger.tgtype, from PostgreSQL's catalog/pg_trigger.h.
ROW, BEFORE = 1, 2
EVENTS = {"INSERT": 4, "DELETE": 8, "UPDATE": 16}

ROLE = "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
TABLES = """
SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, pg_has_role(c.relowner, 'USAGE'),
       format('%%I.%%I', n.nspname, c.relname), format('%%I', c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relname = ANY(%s) AND pg_table_is_visible(c.oid) ORDER BY c.relname"""
POLICIES = """
SELECT p.polrelid, p.polname, p.polcmd::text, p.polpermissive, p.polroles = '{0}',
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
       p.polroles = '{0}' OR EXISTS (SELECT 1 FROM unnest(p.polroles) r WHERE r <> 0 AND pg_has_role(r, 'USAGE'))
FROM pg_policy p WHERE p.polrelid = ANY(%s::oid[]) ORDER BY p.polname"""
TRIGGERS = """
SELECT t.tgrelid, t.tgname, t.tgtype::int, t.tgenabled IN ('O', 'A'), pg_get_expr(t.tgqual, t.tgrelid),
       f.proname, f.prosrc
FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
WHERE t.tgrelid = ANY(%s::oid[]) AND NOT t.tgisinternal ORDER BY t.tgname"""


@dataclass(frozen=True)
class Role:
    """Whom the connection is for PostgreSQL."""

    name: str
    is_superuser: bool
    bypasses: bool


@dataclass(frozen=True)
class Policy:
    """A row of pg_policy; the expressions are SQL."""

    name: str
    command: str
    permissive: bool
    for_everybody: bool
    using: str | None
    check: str | None
    concerns_us: bool

    def covers(self, command: str) -> bool:
        """Tell whether the policy is asked for a command."""
        return self.command in ("*", COMMANDS[command])


@dataclass(frozen=True)
class Trigger:
    """A row of pg_trigger and of its function."""

    name: str
    type: int
    enabled: bool
    when: str | None
    function: str
    body: str


@dataclass(frozen=True)
class Table:
    """A table of a model, and what is declared for it."""

    oid: int
    name: str
    secured: bool
    forced: bool
    owned: bool
    full_name: str
    short_name: str
    declared: tuple[DatabaseRule, ...]
    policies: list[Policy] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)


def role(alias: str) -> Role:
    """Return the role of the connection."""
    with connections[alias].cursor() as cursor:
        cursor.execute(ROLE)
        return Role(*cursor.fetchone())


def tables(alias: str) -> list[Table]:
    """Return the tables of all models that live in a database; four queries, however many there are."""
    declared: dict[str, tuple[DatabaseRule, ...]] = {}
    for model in apps.get_models(include_auto_created=True):
        if (
            model._meta.managed
            and not model._meta.proxy
            and router.allow_migrate_model(alias, model)
        ):
            rules = (r for r in model._meta.constraints if isinstance(r, DatabaseRule))
            declared[model._meta.db_table] = tuple(rules)
    with connections[alias].cursor() as cursor:
        cursor.execute(TABLES, [list(declared)])
        found = {row[0]: Table(*(*row, declared[row[1]])) for row in cursor.fetchall()}
        cursor.execute(POLICIES, [list(found)])
        for oid, *columns in cursor.fetchall():
            found[oid].policies.append(Policy(*columns))
        cursor.execute(TRIGGERS, [list(found)])
        for oid, *columns in cursor.fetchall():
            found[oid].triggers.append(Trigger(*columns))
    return list(found.values())


def answer(alias: str, table: Table, expressions: Sequence[str], claims: str) -> bool | None:
    """Return what all of some SQL conditions say together to somebody, about a row of which nothing is known.

    SQL's logic has three values: True and False hold whatever the row, None depends on it.

    Raises:
        DatabaseError: an expression cannot be evaluated like that.
    """
    connection: Any = connections[alias]
    together = " AND ".join(f"({expression})" for expression in expressions) or "true"
    with transaction.atomic(using=alias):
        # Below our own wrapper, which would set the claims of whoever runs this.
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")
            cursor.execute("SET LOCAL statement_timeout = '2s'")
            cursor.execute("SELECT set_config('request.jwt.claims', %s, true)", [claims])
            cursor.execute(
                f"SELECT {together} FROM (SELECT (NULL::{table.full_name}).*) AS {table.short_name}"
            )
            value: bool | None = cursor.fetchone()[0]
        transaction.set_rollback(True, using=alias)
    return value
