"""System checks of row-level security. Those that ask the database run with ``check --database default``.

They are all warnings: ``migrate`` runs them first, and an error would keep it from mending what they found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import OperationalError, connections

from anonauth.contrib.postgres import inspection
from anonauth.contrib.postgres.comparison import faults
from anonauth.contrib.postgres.constraints import DatabaseRule, RestrictAnonymous, RowSecurity
from anonauth.contrib.postgres.inspection import Table
from anonauth.contrib.postgres.transport import reads_need_claims

MIDDLEWARE = "anonauth.contrib.postgres.middleware.RowSecurityMiddleware"

READS_CLAIMS = re.compile(r"request\.jwt\.claim|\bauth\.(?:jwt|uid|role)\(")
LITERAL = re.compile(r"'(?:[^']|'')*'")
SUBQUERY = re.compile(r"\(\s*SELECT\b")
CALLS = re.compile(r"\bcurrent_setting\(|\bauth\.(?:jwt|uid|role)\(")


@register("anonauth")
def check_declarations(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E501, E502: rules that PostgreSQL would ignore, or that would refuse everybody."""
    rules = {
        m: [r for r in m._meta.constraints if isinstance(r, DatabaseRule)]
        for m in apps.get_models()
    }
    found: list[CheckMessage] = [
        Error(
            f"{model._meta.label} has policies, but not RowSecurity: PostgreSQL ignores them.",
            hint='Add RowSecurity(name="…") to its constraints, or restrict with enforce="trigger".',
            obj=model,
            id="anonauth.E501",
        )
        for model, declared in rules.items()
        if any(isinstance(r, RestrictAnonymous) and r.enforce == "policy" for r in declared)
        and not any(isinstance(r, RowSecurity) for r in declared)
    ]
    if any(rules.values()) and MIDDLEWARE not in django_settings.MIDDLEWARE:
        found.append(
            Error(
                "Models declare rules for the database, but RowSecurityMiddleware is not installed.",
                hint=f'Every user is refused. Add "{MIDDLEWARE}" to MIDDLEWARE, after AuthenticationMiddleware.',
                id="anonauth.E502",
            )
        )
    return found


@register("anonauth")
def check_driver(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E503: a driver whose errors and cursors are not understood."""
    opened: list[Any] = [c for c in connections.all() if c.vendor == "postgresql"]
    return [
        Error(
            f"The database {connection.alias!r} is used through {connection.Database.__name__}.",
            hint='anonauth.contrib.postgres needs psycopg 3: pip install "psycopg[binary]".',
            id="anonauth.E503",
        )
        for connection in opened
        if connection.Database.__name__ != "psycopg"
    ]


@register("anonauth", Tags.database)
def check_connection(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W512: a database that does not answer, so that nothing is said of it."""
    return [
        Warning(
            f"The database {alias!r} does not answer: the checks of its rules were left out.",
            hint=" ".join(str(fault).split()),
            id="anonauth.W512",
        )
        for alias in _postgres(databases)
        if (fault := _fault(alias)) is not None
    ]


@register("anonauth", Tags.database)
def check_role(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W504: a role for whom no policy ever holds."""
    found: list[CheckMessage] = []
    for alias in _answering(databases):
        role = inspection.role(alias)
        if role.is_superuser or role.bypasses:
            what = "is a superuser" if role.is_superuser else "has BYPASSRLS"
            found.append(
                Warning(
                    f"The role {role.name} of the database {alias!r} {what}: no policy ever holds for it.",
                    hint="Connect as a role without these rights; it may own the tables.",
                    id="anonauth.W504",
                )
            )
    return found


@register("anonauth", Tags.database)
def check_tables(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W505 to W511: what the tables lack, and what differs from the models."""
    return [
        message
        for alias in _answering(databases)
        for table in inspection.tables(alias)
        for message in (*_of_switch(table), *_of_declarations(alias, table), *_of_policies(table))
    ]


def _postgres(databases: Sequence[str] | None) -> Iterator[str]:
    for alias in databases or ():
        if connections[alias].vendor == "postgresql":
            yield alias


def _answering(databases: Sequence[str] | None) -> Iterator[str]:
    return (alias for alias in _postgres(databases) if _fault(alias) is None)


def _fault(alias: str) -> OperationalError | None:
    try:
        connections[alias].ensure_connection()
    except OperationalError as error:
        return error
    return None


def _of_switch(table: Table) -> Iterator[CheckMessage]:
    if table.secured and table.owned and not table.forced:
        yield Warning(
            f"Row security of {table.name} is not forced, and this role owns the table: no policy holds.",
            hint=f"ALTER TABLE {table.full_name} FORCE ROW LEVEL SECURITY;  (RowSecurity does)",
            id="anonauth.W505",
        )
    if table.policies and not table.secured:
        yield Warning(
            f"{table.name} has policies, but row security is off: none of them holds.",
            hint="Add RowSecurity to the constraints of the model.",
            id="anonauth.W508",
        )
    ours = [policy for policy in table.policies if policy.concerns_us]
    if table.secured and ours and not any(policy.permissive for policy in ours):
        yield Warning(
            f"{table.name} has only restrictive policies: every command is refused to everybody.",
            hint="Restrictive policies take away from permissive ones; add one, as RowSecurity does.",
            id="anonauth.W509",
        )


def _of_declarations(alias: str, table: Table) -> Iterator[CheckMessage]:
    for rule in table.declared:
        for name, fault in faults(alias, table, rule):
            missing = fault == "is missing"
            yield Warning(
                f"{table.name}: {name} {fault}.",
                hint="Run migrate; if nothing is left to migrate, somebody changed the database by hand."
                if missing
                else "Compare with sqlmigrate; somebody changed the database by hand.",
                id="anonauth.W506" if missing else "anonauth.W507",
            )


def _of_policies(table: Table) -> Iterator[CheckMessage]:
    for policy in table.policies:
        for expression in filter(None, (policy.using, policy.check)):
            if CALLS.search(_without_subqueries(expression)):
                yield Warning(
                    f"{table.name}: policy {policy.name} asks for the claims once for each row.",
                    hint="Write (SELECT auth.uid()) or (SELECT current_setting(…)): PostgreSQL then asks once.",
                    id="anonauth.W510",
                )
                break
        if (
            policy.using
            and policy.covers("SELECT")
            and READS_CLAIMS.search(policy.using)
            and not reads_need_claims()
        ):
            yield Warning(
                f"{table.name}: policy {policy.name} looks at the claims of readers, but SELECTs carry none.",
                hint="Set ANONAUTH_ROW_SECURITY_READS = True.",
                id="anonauth.W511",
            )


def _without_subqueries(expression: str) -> str:
    """Return SQL, as the server writes it, without what stands in parentheses that begin with SELECT."""
    text = LITERAL.sub("''", expression)
    kept, depth = [], 0
    for position, character in enumerate(text):
        if depth or SUBQUERY.match(text, position):
            depth += {"(": 1, ")": -1}.get(character, 0)
        else:
            kept.append(character)
    return "".join(kept)
