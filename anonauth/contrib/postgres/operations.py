"""Operations for a project's migrations: what policies that were written for Supabase expect to find."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db import router
from django.db.migrations.operations.base import Operation

# RETURN instead of a text: names and operators are looked up now, not by the search_path of whoever calls.
CREATE_FUNCTIONS = """
CREATE SCHEMA IF NOT EXISTS auth;
GRANT USAGE ON SCHEMA auth TO PUBLIC;
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE
  RETURN NULLIF(current_setting('request.jwt.claims', true), '')::jsonb;
CREATE FUNCTION auth.uid() RETURNS {uid} LANGUAGE sql STABLE
  RETURN NULLIF(auth.jwt() ->> 'sub', '')::{uid};
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE
  RETURN COALESCE(auth.jwt() ->> 'role', 'anon')
"""

DROP_FUNCTIONS = """
DROP FUNCTION auth.uid();
DROP FUNCTION auth.role();
DROP FUNCTION auth.jwt();
DO $$ BEGIN
  DROP SCHEMA auth;
EXCEPTION WHEN dependent_objects_still_exist THEN NULL;  -- the project keeps something of its own there
END $$
"""

CREATE_ROLE = """
DO $$ BEGIN
  CREATE ROLE {role} NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;  -- roles belong to all databases of the server
END $$;
GRANT {role} TO CURRENT_USER
"""


class _OnPostgres(Operation):
    """Changes no model, and does nothing on other databases."""

    reversible = True

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing to do: the models stay as they are."""

    def _run(self, app_label: str, schema_editor: Any, statements: str) -> None:
        connection = schema_editor.connection
        if connection.vendor == "postgresql" and router.allow_migrate(connection.alias, app_label):
            schema_editor.execute(statements.strip(), params=None)


class CreateAuthFunctions(_OnPostgres):
    """Makes ``auth.uid()``, ``auth.jwt()`` and ``auth.role()``; going back takes them away.

    Functions of these names that exist already, on a database of Supabase's, are an error and stay as they are.

    Args:
        uid: the SQL type that ``auth.uid()`` returns; default: that of the user model's primary key.
    """

    def __init__(self, uid: str | None = None) -> None:
        self.uid = uid

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        key: Any = get_user_model()._meta.pk
        uid = self.uid or key.rel_db_type(schema_editor.connection)
        self._run(app_label, schema_editor, CREATE_FUNCTIONS.format(uid=uid))

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        self._run(app_label, schema_editor, DROP_FUNCTIONS)

    def describe(self) -> str:
        return "Create auth.uid(), auth.jwt() and auth.role()"


class CreateAuthenticatedRole(_OnPostgres):
    """Makes the role that policies ``TO authenticated`` are for, and the role that migrates a member of it.

    Needs CREATEROLE. Going back leaves the role: another database of the same server may use it.

    Args:
        name: of the role.
    """

    def __init__(self, name: str = "authenticated") -> None:
        self.name = name

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        role = schema_editor.quote_name(self.name)
        self._run(app_label, schema_editor, CREATE_ROLE.format(role=role))

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Nothing to do, see above."""

    def describe(self) -> str:
        return f"Create the role {self.name}"
