from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from anonauth.merge_rules import AddUp, KeepNewest, KeepRow, Leave, MergeRule, Strategy
from anonauth.merging.constraints import checks, unique_keys
from anonauth.merging.plan import Planned, plan, project_rules

HEAD = ("relation", "kind", "rule", "on_conflict", "declared_by")


class Command(BaseCommand):
    """``manage.py anonymous_merge_rules``: reads the models and rules, and no table."""

    help = (
        "Lists everything that points at a user, and what becomes of it when a guest is merged into an account: "
        "the rule in force, who declares it, the constraints that it has to respect, and why something stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print it for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = [describe(planned) for planned in sorted(plan(), key=_name)]
        except ImproperlyConfigured as error:
            raise CommandError(f"{error} `manage.py check --tag anonauth` tells more.") from error
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
            return
        for line in _table(found):
            self.stdout.write(line)


def describe(planned: Planned) -> dict[str, Any]:
    """Return what there is to say about one relation."""
    relation, rule = planned.relation, planned.rule
    names = [key.name for key in unique_keys(relation.model, relation.field)]
    names += [check.name for check in checks(relation.model, relation.field)]
    left = isinstance(planned.strategy, Leave)
    return {
        "relation": relation.name,
        "kind": relation.kind,
        "table": relation.model._meta.db_table,
        "column": relation.field.column,
        "rule": _strategy(planned.strategy),
        "on_conflict": "" if left else _resolver(rule.on_conflict),
        "choices": [choice.value for choice in rule.choices],
        "declared_by": _source(rule),
        "constraints": names,
        "reason": planned.strategy.reason if isinstance(planned.strategy, Leave) else "",
    }


def _name(planned: Planned) -> str:
    return planned.relation.name


def _strategy(strategy: Any) -> str:
    if isinstance(strategy, Strategy):
        return strategy.value
    return "leave" if isinstance(strategy, Leave) else _callable(strategy)


def _resolver(resolver: Any) -> str:
    match resolver:
        case None:
            return ""
        case KeepRow(anonymous):
            return "keep_anonymous_row" if anonymous else "keep_existing_row"
        case KeepNewest(field):
            return f"keep_newest({field})"
        case AddUp(fields, None):
            return f"add_up({', '.join(fields)})"
        case AddUp(fields, most):
            return f"add_up({', '.join(fields)}, at_most={most})"
    return _callable(resolver)


def _callable(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{function.__module__}.{name}"


def _source(rule: MergeRule) -> str:
    if rule.declared_in:
        return rule.declared_in
    return "adapter" if rule.relation in {one.relation for one in project_rules()} else ""


def _table(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [HEAD, *(tuple(one[name] for name in HEAD) for one in found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    notes = ["", *(_note(one) for one in found)]
    for row, note in zip(rows, notes, strict=True):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield line.rstrip()
        if note:
            yield f"    {note}"


def _note(one: dict[str, Any]) -> str:
    parts = [one["reason"]]
    if one["constraints"]:
        parts.append(f"Constraints: {', '.join(one['constraints'])}.")
    if one["choices"]:
        parts.append(f"The person chooses: {', '.join(one['choices'])}.")
    return " ".join(part for part in parts if part)
