"""What each table lets visitors, guests and permanent users do, for ``audit_anonymous_access --tables``."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, connections

from anonauth.contrib.postgres import inspection
from anonauth.contrib.postgres.inspection import EVENTS, IDENTITIES, Policy, Role, Table, Trigger
from anonauth.contrib.postgres.sql import COMMANDS

KINDS = {
    "SELECT": ("using",),
    "INSERT": ("check",),
    "UPDATE": ("using", "check"),
    "DELETE": ("using",),
}
VERDICTS = {True: "yes", False: "no", None: "some rows"}


def audit_tables(alias: str) -> list[dict[str, Any]]:
    """Return a record for each table and command: who may, and why.

    The verdicts are ``"yes"``, ``"no"``, ``"some rows"`` (the rule looks at the row) and ``"unknown"``. They are the
    answers of the rules to claims of each kind, without any row, on the connection's own role.
    """
    if connections[alias].vendor != "postgresql":
        return []
    role = inspection.role(alias)
    return [
        {"table": table.name, "command": command}
        | {
            who: verdict(alias, table, command, role, who)
            for who in ("visitor", "guest", "permanent")
        }
        | {"reason": _reason(table, command, role)}
        for table in inspection.tables(alias)
        for command in COMMANDS
    ]


def verdict(alias: str, table: Table, command: str, role: Role, who: str) -> str:
    """Return what the rules of a table answer to a kind of user."""
    refusing = [t for t in guards(table, command) if t.when is not None]
    conditions = [f"NOT ({trigger.when})" for trigger in refusing]
    if policies_hold(table, role):
        own = conditions_of(table, command)
        if own is None:
            return "no"
        conditions += own
    if not conditions:
        return "yes"
    try:
        return VERDICTS[inspection.answer(alias, table, conditions, IDENTITIES[who])]
    except DatabaseError:
        return "unknown"


def policies_hold(table: Table, role: Role) -> bool:
    """Tell whether PostgreSQL asks the policies of a table when this role sends a command."""
    ignored = role.is_superuser or role.bypasses or (table.owned and not table.forced)
    return table.secured and not ignored


def conditions_of(table: Table, command: str) -> list[str] | None:
    """Return what all has to hold for a command; None if there is no permissive policy: then nothing passes."""
    asked = [p for p in table.policies if p.concerns_us and p.covers(command)]
    conditions: list[str] = []
    for kind in KINDS[command]:
        permissive = [_expression(p, kind) for p in asked if p.permissive]
        if not permissive:
            return None
        conditions.append(" OR ".join(f"({expression})" for expression in permissive))
        conditions += [_expression(p, kind) for p in asked if not p.permissive]
    return conditions


def _expression(policy: Policy, kind: str) -> str:
    if kind == "check":
        return policy.check or policy.using or "true"
    return policy.using or "true"


def guards(table: Table, command: str) -> list[Trigger]:
    """Return the triggers of declared rules that are on for a command."""
    functions = {getattr(rule, "function", None) for rule in table.declared}
    return [
        trigger
        for trigger in table.triggers
        if trigger.enabled
        and trigger.function in functions
        and trigger.type & EVENTS.get(command, 0)
    ]


def _reason(table: Table, command: str, role: Role) -> str:
    reasons = [f"trigger {trigger.name}" for trigger in guards(table, command)]
    if policies_hold(table, role):
        asked = [p.name for p in table.policies if p.concerns_us and p.covers(command)]
        reasons += [f"policy {name}" for name in asked] or ["no policy allows it"]
    elif table.secured:
        why = "is superuser" if role.is_superuser else "bypasses row security"
        owner = role.is_superuser or role.bypasses
        reasons.append(f"policies ignored: {role.name} {why if owner else 'owns the table'}")
    return ", ".join(reasons) or "no rule in the database"
