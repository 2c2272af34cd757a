"""Compares what the models declare with what the database has, by what it answers and not by its words."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DatabaseError

from anonauth.contrib.postgres import inspection, sql
from anonauth.contrib.postgres.constraints import DatabaseRule, RestrictAnonymous, RowSecurity
from anonauth.contrib.postgres.inspection import (
    BEFORE,
    EVENTS,
    IDENTITIES,
    ROW,
    Policy,
    Table,
    Trigger,
)

#: What a condition that only permanent users meet answers to each identity.
EXPECTED = {"visitor": False, "guest": False, "permanent": True, "service": True}


def faults(alias: str, table: Table, rule: DatabaseRule) -> Iterator[tuple[str, str]]:
    """Yield what of a declared rule the database lacks or has differently, each with what is wrong with it."""
    policies = {policy.name: policy for policy in table.policies}
    triggers = {trigger.name: trigger for trigger in table.triggers}
    if isinstance(rule, RowSecurity):
        if not table.secured:
            yield "row security", "is missing"
        if rule.allow_by_default:
            policy = policies.get(rule.name)
            if policy is None:
                yield f"policy {rule.name}", "is missing"
            elif not _allows_all(policy):
                yield f"policy {rule.name}", "differs from the model"
    elif isinstance(rule, RestrictAnonymous):
        for command in rule.commands:
            name = rule.name_for(command)
            found = (policies if rule.enforce == "policy" else triggers).get(name)
            if found is None:
                yield f"{rule.enforce} {name}", "is missing"
            elif not _restricts(alias, table, command, rule, found):
                yield f"{rule.enforce} {name}", "differs from the model"


def _allows_all(policy: Policy) -> bool:
    own = (policy.permissive, policy.for_everybody, policy.command, policy.using, policy.check)
    return own == (True, True, "*", "true", "true")


def _restricts(
    alias: str, table: Table, command: str, rule: RestrictAnonymous, found: Policy | Trigger
) -> bool:
    """Ask what is in the database, so that other words for the same are the same."""
    if isinstance(found, Policy):
        own = (found.permissive, found.for_everybody, found.command)
        condition = found.check if command in ("INSERT", "UPDATE") else found.using
        as_declared = own == (False, True, sql.COMMANDS[command])
        if command == "UPDATE" and found.using != "true":
            return False
    else:
        row = ROW if sql.TIMINGS[command] == "ROW" else 0
        as_declared = (found.type, found.enabled, found.function, found.body) == (
            EVENTS[command] | BEFORE | row,
            True,
            rule.function,
            sql.BODY,
        )
        condition = f"NOT ({found.when})" if found.when else "false"
    return as_declared and _is_permanent_only(alias, table, condition or "true")


def _is_permanent_only(alias: str, table: Table, condition: str) -> bool:
    try:
        answers = {
            who: inspection.answer(alias, table, [condition], claims)
            for who, claims in IDENTITIES.items()
        }
    except DatabaseError:
        return False
    return answers == EXPECTED
