"""Rules for ``Meta.constraints``: makemigrations sees them, migrations reverse them, other databases ignore them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from django.db import DEFAULT_DB_ALIAS
from django.db.backends.ddl_references import Statement, Table
from django.db.models import BaseConstraint

from anonauth.contrib.postgres import sql

LONGEST_NAME = 63
"""PostgreSQL cuts longer names, and two rules could meet under one name."""


class DatabaseRule(BaseConstraint):
    """A constraint of PostgreSQL's that is made by statements of its own, after the table."""

    def create_statements(self) -> list[str]:
        """Return the statements that make it; ``%(table)s`` and the keys of :meth:`names` are filled in."""
        raise NotImplementedError

    def remove_statements(self) -> list[str]:
        """Return the statements that take it away again."""
        raise NotImplementedError

    def names(self) -> dict[str, str]:
        """Return the names of what it makes in the database, by placeholder."""
        raise NotImplementedError

    def constraint_sql(self, model: Any, schema_editor: Any) -> Any:
        # Inside of CREATE TABLE; there is no table yet.
        if statement := self.create_sql(model, schema_editor):
            schema_editor.deferred_sql.append(statement)
        return None

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        return self._statement(model, schema_editor, self.create_statements())

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        return self._statement(model, schema_editor, self.remove_statements())

    def _statement(self, model: Any, schema_editor: Any, statements: list[str]) -> Statement | None:
        if schema_editor.connection.vendor != "postgresql":
            return None
        quote = schema_editor.quote_name
        names = {key: quote(name) for key, name in self.names().items()}
        return Statement(";\n".join(statements), table=Table(model._meta.db_table, quote), **names)

    def validate(
        self, model: Any, instance: Any, exclude: Any = None, using: str = DEFAULT_DB_ALIAS
    ) -> None:
        """Nothing to validate: the database decides when the statement comes."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DatabaseRule):
            return NotImplemented
        return self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        keywords = self.deconstruct()[2]
        shown = " ".join(f"{name}={value!r}" for name, value in keywords.items())
        return f"<{type(self).__name__}: {shown}>"


class RowSecurity(DatabaseRule):
    """Switches row-level security on, for the table's owner as well, with a policy that allows everything.

    PostgreSQL refuses every command on a table that has only restrictive policies, so one that allows has to be there;
    the restrictive ones take away from it.

    Args:
        name: of the policy that allows.
        allow_by_default: False leaves that policy out, where permissive ones of your own stand instead: with it,
            yours would restrict nothing.
    """

    def __init__(self, *, name: str, allow_by_default: bool = True, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.allow_by_default = allow_by_default
        _check_length(name)

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        path, arguments, keywords = super().deconstruct()
        if not self.allow_by_default:
            keywords["allow_by_default"] = False
        return path, arguments, keywords

    def names(self) -> dict[str, str]:
        return {"name": self.name}

    def create_statements(self) -> list[str]:
        statements = [
            "ALTER TABLE %(table)s ENABLE ROW LEVEL SECURITY",
            # SECURITY: without FORCE no policy holds for the table's owner, which is who a Django project usually is.
            "ALTER TABLE %(table)s FORCE ROW LEVEL SECURITY",
        ]
        if self.allow_by_default:
            statements.append(
                "CREATE POLICY %(name)s ON %(table)s AS PERMISSIVE FOR ALL USING (true) WITH CHECK (true)"
            )
        return statements

    def remove_statements(self) -> list[str]:
        return [
            *(["DROP POLICY IF EXISTS %(name)s ON %(table)s"] if self.allow_by_default else []),
            "ALTER TABLE %(table)s NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE %(table)s DISABLE ROW LEVEL SECURITY",
        ]


class RestrictAnonymous(DatabaseRule):
    """Lets only permanent users, and the site itself (``as_service()``), send these commands to the table.

    Args:
        name: what the policies or triggers are named after: ``<name>_insert`` and so on.
        commands: of SELECT, INSERT, UPDATE and DELETE.
        enforce: ``"trigger"`` is loud for every command and holds for the table's owner and for superusers, but
            cannot restrict SELECT. ``"policy"`` can, and needs :class:`RowSecurity` on the same table; it refuses
            INSERT and UPDATE loudly, while a refused DELETE deletes no rows.

    Raises:
        ValueError: a command that cannot be restricted so, or a name that PostgreSQL would cut.
    """

    def __init__(
        self,
        *,
        name: str,
        commands: Sequence[str] = ("INSERT", "UPDATE", "DELETE"),
        enforce: Literal["policy", "trigger"] = "trigger",
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        self.commands = tuple(command.upper() for command in commands)
        self.enforce = enforce
        if enforce not in ("policy", "trigger"):
            raise ValueError(f'enforce is "policy" or "trigger", not {enforce!r}.')
        known = tuple(sql.COMMANDS) if enforce == "policy" else tuple(sql.TIMINGS)
        if not self.commands or set(self.commands) - set(known):
            raise ValueError(f"A {enforce} restricts {', '.join(known)}, not {commands!r}.")
        _check_length(f"{name}_function")

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        path, arguments, keywords = super().deconstruct()
        return path, arguments, {**keywords, "commands": self.commands, "enforce": self.enforce}

    def name_for(self, command: str) -> str:
        """Return the name of the policy or trigger for a command."""
        return f"{self.name}_{command.lower()}"

    @property
    def function(self) -> str:
        """The name of the function that the triggers call."""
        return f"{self.name}_refuse"

    def names(self) -> dict[str, str]:
        names = {command.lower(): self.name_for(command) for command in self.commands}
        return names | ({"function": self.function} if self.enforce == "trigger" else {})

    def create_statements(self) -> list[str]:
        if self.enforce == "policy":
            return [sql.create_policy(command) for command in self.commands]
        return [sql.create_function(), *(sql.create_trigger(c) for c in self.commands)]

    def remove_statements(self) -> list[str]:
        kind = self.enforce.upper()
        dropped = [
            f"DROP {kind} IF EXISTS %({command.lower()})s ON %(table)s" for command in self.commands
        ]
        if self.enforce == "trigger":
            dropped.append("DROP FUNCTION IF EXISTS %(function)s()")
        return dropped


def _check_length(name: str) -> None:
    if len(name.encode()) > LONGEST_NAME:
        raise ValueError(f"PostgreSQL would cut the name {name!r}; choose a shorter one.")
