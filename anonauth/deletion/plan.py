"""What a deletion does, known before the first row is written: which rows go, which change, which forbid it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError, QuerySet, RestrictedError
from django.db.models.signals import ModelSignal, post_delete, pre_delete

from anonauth.deletion.graph import Model
from anonauth.deletion.keys import Keys, among
from anonauth.deletion.leaves import Leaves, delete_leaves, delete_unread


@dataclass(slots=True)
class Plan:
    """The rows that a deletion concerns; :mod:`anonauth.deletion.search` finds them."""

    origin: QuerySet[Any]
    using: str
    #: To be deleted one table after the other: model -> key -> key of the first row that it goes with.
    rows: dict[Model, dict[Any, Any]] = field(default_factory=dict)
    #: Their keys, where they are prepared for the database already.
    keys: dict[Model, Keys] = field(default_factory=dict)
    #: The same rows in full, where a signal has receivers.
    instances: dict[Model, list[Any]] = field(default_factory=lambda: defaultdict(list))
    #: To be deleted unread.
    leaves: list[Leaves] = field(default_factory=list)
    #: To be changed: rows, name of the field, its new value or a function to ask if there are such rows.
    updates: list[tuple[QuerySet[Any], str, Any]] = field(default_factory=list)
    #: Table -> the tables whose rows have to go before.
    before: dict[Any, set[Any]] = field(default_factory=lambda: defaultdict(set))
    #: Rows that forbid the deletion (PROTECT, RESTRICT), by the name of the foreign key.
    protecting: dict[str, list[QuerySet[Any]]] = field(default_factory=lambda: defaultdict(list))
    restricting: dict[str, list[QuerySet[Any]]] = field(default_factory=lambda: defaultdict(list))
    #: The keys of the first rows that they forbid to delete; None if it is not known of which.
    forbidden: set[Any] = field(default_factory=set)

    def check(self) -> None:
        """Refuse, with Django's own errors, if a row forbids the deletion.

        Raises:
            ProtectedError, RestrictedError
        """
        for error, reasons in (
            (ProtectedError, self.protecting),
            (RestrictedError, self.restricting),
        ):
            if reasons:
                message = (
                    f"Cannot delete some instances of model {self.origin.model.__name__!r}: "
                    f"they are referenced through {', '.join(sorted(reasons))}."
                )
                raise error(
                    message, {row for found in reasons.values() for rows in found for row in rows}
                )

    def execute(self) -> Counter[str]:
        """Delete everything, and return the number of rows by the label of their model.

        The order of statements and signals is that of Django's ``Collector.delete()``.
        """
        deleted: Counter[str] = Counter()
        order = self._order()
        updates = [
            (rows, {name: value() if callable(value) else value})
            for rows, name, value in self.updates
            if not callable(value) or rows.exists()
        ]
        with transaction.atomic(using=self.using, savepoint=False):
            for model in order:
                self.instances[model].sort(key=attrgetter("pk"))
                self._send(pre_delete, model, self.instances[model])
            deleted += delete_leaves(self.leaves, self.using)
            for rows, change in updates:
                rows.update(**change)
            for model in order:
                for found in self._by_key(model):
                    deleted[model._meta.label] += delete_unread(found)
                self._send(post_delete, model, reversed(self.instances[model]))
        return +deleted

    def count(self) -> tuple[Counter[str], Counter[str]]:
        """Return how many rows would be deleted and how many would change, by the label of their model."""
        deleted: Counter[str] = Counter()
        counted: dict[Any, set[Any]] = defaultdict(
            set
        )  # a row may be found more than once, also by a proxy
        for model in self._order():
            keys = self.rows[model].keys() - counted[model._meta.concrete_model]
            counted[model._meta.concrete_model] |= keys
            deleted[model._meta.label] += len(keys)
        leaves: dict[Model, list[QuerySet[Any]]] = defaultdict(list)
        for found in self.leaves:
            leaves[found.rows.model].append(found.rows)
        for model, querysets in leaves.items():
            before = counted[model._meta.concrete_model]
            if len(querysets) == 1 and not before:
                deleted[model._meta.label] += querysets[0].count()
                continue
            unread = set().union(*(rows.values_list("pk", flat=True) for rows in querysets))
            deleted[model._meta.label] += len(unread - before)
        changed: Counter[str] = Counter()
        for rows, _, _ in self.updates:
            changed[rows.model._meta.label] += rows.count()
        return +deleted, +changed

    def _by_key(self, model: Model) -> Iterable[QuerySet[Any]]:
        key = model._meta.pk
        keys = self.keys.get(model)
        if keys is None or len(keys) < len(self.rows[model]):
            keys = Keys(self.rows[model])
        parts = keys.chunks(self.using, [key])
        for part in filter(len, parts):
            yield QuerySet(model, using=self.using).filter(among([key.attname], part))

    def _order(self) -> list[Model]:
        """Return the models, each after those whose rows refer to its own; as found where they refer in a circle."""
        waiting, order, done = list(self.rows), list[Model](), set[Any]()
        while waiting:
            ready = [m for m in waiting if not self.before[m._meta.concrete_model] - done]
            if not ready:
                return list(self.rows)
            order += ready
            done.update(m._meta.concrete_model for m in ready)
            waiting = [m for m in waiting if m not in ready]
        return order

    def _send(self, signal: ModelSignal, model: Model, instances: Iterable[Any]) -> None:
        for instance in instances:
            signal.send(sender=model, instance=instance, using=self.using, origin=self.origin)
