"""Deleting rows with everything that hangs off them, by sets: what ``QuerySet.delete()`` does, at less cost.

Django's own collector reads every row that has rows of its own. This one reads keys, sends one statement per foreign
key with all keys in one parameter, and reads in full only what a receiver of ``pre_delete`` or ``post_delete`` gets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import django
from django.db.models import QuerySet
from django.db.models.deletion import Collector

from anonauth.deletion.graph import is_plain
from anonauth.deletion.plan import Plan
from anonauth.deletion.search import NeedsCollector, Search

__all__ = ["CollectorPlan", "Plan", "count_rows", "delete_rows", "plan_deletion"]


class CollectorPlan:
    """The same by Django's own collector: for an ``on_delete`` of the project's own and for composite keys."""

    #: It does not tell of which rows a deletion is forbidden; it raises.
    forbidden: frozenset[Any] = frozenset()

    def __init__(self, rows: QuerySet[Any], using: str, *, unseen: bool) -> None:
        force = {"force_collection": True} if unseen and django.VERSION >= (6, 1) else {}
        self._collector: Any = Collector(using, origin=rows, **force)
        self._collector.collect(rows.using(using))

    def check(self) -> None:
        """Return: what is forbidden was refused when it was planned."""

    def execute(self) -> Counter[str]:
        """Delete everything, and return the number of rows by the label of their model."""
        return Counter(self._collector.delete()[1])

    def count(self) -> tuple[Counter[str], Counter[str]]:
        """Return how many rows would be deleted and how many would change, by the label of their model."""
        deleted = Counter({m._meta.label: len(rows) for m, rows in self._collector.data.items()})
        for rows in self._collector.fast_deletes:
            deleted[rows.model._meta.label] += rows.count()
        changed: Counter[str] = Counter()
        for (field, _), found in self._collector.field_updates.items():
            changed[field.model._meta.label] += sum(len(rows) for rows in found)
        return +deleted, +changed


def plan_deletion(
    rows: QuerySet[Any], *, keys: Iterable[Any] | None = None, unseen: bool = False
) -> Plan | CollectorPlan:
    """Find everything that a deletion concerns; nothing is written.

    Args:
        rows: the rows to be deleted.
        keys: their primary keys, if they are known: saves a statement.
        unseen: whether to look for rows that the database would delete by itself (``DB_CASCADE``), to count them.

    Raises:
        ProtectedError, RestrictedError: only by a :class:`CollectorPlan`; a :class:`Plan` knows what is ``forbidden``.
    """
    writing: Any = rows.all()
    writing._for_write = True  # internal: QuerySet.delete() chooses the database like this
    using: str = writing.db
    model: Any = rows.model
    if is_plain(model):
        plan = Plan(rows.using(using), using)
        try:
            Search(plan, unseen=unseen).run(keys)
        except NeedsCollector:
            return CollectorPlan(rows, using, unseen=unseen)
        return plan
    return CollectorPlan(rows, using, unseen=unseen)


def delete_rows(rows: QuerySet[Any]) -> Counter[str]:
    """Delete some rows and what hangs off them; returns the number of rows by the label of their model.

    All or nothing. The result is that of ``rows.delete()``, with its signals.

    Raises:
        ProtectedError, RestrictedError: a row forbids it; nothing was deleted.
    """
    plan = plan_deletion(rows)
    plan.check()
    return plan.execute()


def count_rows(rows: QuerySet[Any]) -> Counter[str]:
    """Return how many rows :func:`delete_rows` would delete, by the label of their model; reads only.

    Rows that the database would delete by itself (``DB_CASCADE``) are counted too.

    Raises:
        ProtectedError, RestrictedError: a row forbids the deletion.
    """
    plan = plan_deletion(rows, unseen=True)
    plan.check()
    return plan.count()[0]
