"""For the tests of a project: expect a refusal, and be a role for whom the rules hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from anonauth.exceptions import DatabaseRefused

ROLE_EXISTS = "SELECT 1 FROM pg_roles WHERE rolname = %s"
GRANTS = """
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}
"""


@contextmanager
def refused(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Expect the database to refuse a statement of the block, whose work is undone.

    A DELETE that a policy refuses deletes no rows and raises nothing: count rows there, or restrict by trigger.

    Raises:
        AssertionError: everything was accepted.
    """
    try:
        with transaction.atomic(using=using):
            yield
    except DatabaseRefused:
        return
    raise AssertionError("The database accepted every statement.")


@contextmanager
def under_row_security(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Become a role that policies hold for; CI often connects as a superuser, for whom none does.

    Does nothing where policies hold already, and on other databases. The role has the name of the test database and
    may read and write all tables.
    """
    connection: Any = connections[using]
    if connection.vendor != "postgresql" or policies_hold(using):
        yield
        return
    local = "LOCAL " if connection.in_atomic_block else ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT left(current_database(), 50) || '_rows', current_schema()")
        names = [connection.ops.quote_name(name) for name in cursor.fetchone()]
        role, schema = names
        cursor.execute(ROLE_EXISTS, [role.strip('"')])
        if not cursor.fetchone():
            cursor.execute(f"CREATE ROLE {role} NOLOGIN")
        cursor.execute(GRANTS.format(role=role, schema=schema))
        cursor.execute(f"SET {local}ROLE {role}")
    try:
        yield
    finally:
        if not connection.needs_rollback:  # else the rollback takes SET LOCAL back
            with connection.cursor() as cursor:
                cursor.execute("RESET ROLE")


def policies_hold(using: str = DEFAULT_DB_ALIAS) -> bool:
    """Tell whether the connection's role is one that policies hold for."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT NOT (rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = current_user"
        )
        return bool(cursor.fetchone()[0])
