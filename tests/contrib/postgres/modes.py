"""The ways in which projects connect: each is the settings of a database, in the place of those of the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections

ROLE = "anonauth_project"
PASSWORD = "only-for-the-tests"

FUNCTIONS = """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole"""

PERSISTENT: dict[str, Any] = {"CONN_MAX_AGE": None}
POOL: dict[str, Any] = {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": {"min_size": 1, "max_size": 2}}}
ATOMIC: dict[str, Any] = {"ATOMIC_REQUESTS": True}
SERVER_SIDE_BINDING: dict[str, Any] = {"OPTIONS": {"server_side_binding": True}}

MODES: dict[str, dict[str, Any]] = {
    "persistent": PERSISTENT,
    "atomic": PERSISTENT | ATOMIC,
    "pool": POOL,
    "pool, atomic": POOL | ATOMIC,
    "server-side binding": PERSISTENT | SERVER_SIDE_BINDING,
    "pgbouncer": PERSISTENT | {"DISABLE_SERVER_SIDE_CURSORS": True},
    "pgbouncer, atomic": PERSISTENT | ATOMIC | {"DISABLE_SERVER_SIDE_CURSORS": True},
}


def prepare_role() -> str:
    """Make the role that a project connects as, owner of all tables and no superuser, and return its name.

    A server whose tests run as such a role already needs no other.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user")
        name, is_superuser = cursor.fetchone()
        if not is_superuser:
            return str(name)
        cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [ROLE])
        if cursor.fetchone() == (0,):
            cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        cursor.execute(f"GRANT ALL ON SCHEMA public TO {ROLE}")
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'ALTER TABLE "{table}" OWNER TO {ROLE}')
        cursor.execute(FUNCTIONS)
        for (function,) in cursor.fetchall():
            cursor.execute(f"ALTER FUNCTION {function} OWNER TO {ROLE}")
    return ROLE


@contextmanager
def connected(role: str, **settings: Any) -> Iterator[None]:
    """Let all threads connect as a role, with other settings, while the block runs."""
    shared = connections.settings["default"]
    before = dict(shared)
    own = {"USER": role, "PASSWORD": PASSWORD} if role == ROLE else {}
    connection.close()
    try:
        shared.update(own | settings)
        yield
    finally:
        connection.close()
        if shared["OPTIONS"].get("pool"):
            connection.close_pool()  # type: ignore[attr-defined]
        shared.clear()
        shared.update(before)
