"""What a deletion takes along, forbids or empties, found in sets: what Django's collector does, row by row.

What ``on_delete`` does is known to :mod:`anonauth.deletion.graph` alone. The walk is another one than that of
:mod:`anonauth.deletion.search`, which reads keys and remembers the row that each goes with, to spare single guests in a
batch: this one asks by subqueries, which a preview's ledger can change, and which need no memory; it leaves out what a
merge has moved away, lets no user go along, and sees what the database does by itself, because that counts as dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db.models import Model, Q, QuerySet, Value

from anonauth.deletion.graph import (
    CASCADES,
    FORBIDS,
    SETS,
    Action,
    asks_project,
    generic_relations,
    new_value,
    parent_links,
    relations_to,
    sends_signals,
)
from anonauth.merging.ledger import Ledger
from anonauth.merging.relations import is_user_table, type_keys


@dataclass(frozen=True, slots=True)
class Step:
    """A column that points at rows of a table, and what becomes of its row when those are deleted."""

    model: type[Model]
    field: Any
    action: Action
    #: The column that it points at; of a generic relation the primary key.
    target: str
    #: Of a generic relation: the column of the content type, and the models that it names.
    type_field: str = ""
    type_models: tuple[type[Model], ...] = ()

    @property
    def label(self) -> str:
        """The name for people."""
        return f"{self.model._meta.label}.{self.field.name}"

    @property
    def is_user(self) -> bool:
        """Whether its row is a user, who would go along: in a merge nobody else is deleted."""
        return self.action in CASCADES and is_user_table(self.model)

    @property
    def is_part(self) -> bool:
        """Whether its row is the other half of the one that it points at, in multi-table inheritance."""
        return not self.type_field and bool(self.field.remote_field.parent_link)

    def rows(self, targets: QuerySet[Any], ledger: Ledger) -> QuerySet[Any]:
        """Return the rows that point at one of some others by now."""
        rows: QuerySet[Any] = ledger.alive(QuerySet(self.model, using=ledger.database))
        keys: Any = targets.values(self.target)
        if self.type_field:
            rows = rows.filter(**{f"{self.type_field}__in": list(type_keys(self.type_models))})
            # The key may have another form here, e.g. a text; the only place where keys are read.
            keys = [self.field.to_python(pk) for pk in targets.values_list("pk", flat=True)]
        return ledger.having(rows, f"{self.field.attname}__in", keys)

    def value(self) -> Any:
        """Return what is written into the column when its target is deleted."""
        value = new_value(self.field)
        return value() if callable(value) else value


class Fallout:
    """The rows that a deletion concerns beyond those that are deleted; finding them changes nothing.

    One statement for each foreign key that points at a table with such rows, whatever their number; in a tree of rows
    for each of its levels.

    Args:
        roots: the rows to be deleted, all of one table, none in two of the querysets.
        ledger: what has happened before.
        only: which columns that point at the roots matter; default: all.
    """

    def __init__(
        self,
        roots: list[QuerySet[Any]],
        ledger: Ledger,
        *,
        only: Callable[[Step], bool] | None = None,
    ) -> None:
        #: How many rows go along.
        self.number = 0
        #: What forbids the deletion: the name of a foreign key, and how many rows it has.
        self.forbidding: list[tuple[str, int]] = []
        self._roots = roots
        self._ledger = ledger
        self._only = only
        self._along: list[QuerySet[Any]] = []
        self._emptied: list[tuple[Step, QuerySet[Any]]] = []
        self._restricted: list[tuple[Step, QuerySet[Any]]] = []
        #: Whether statements do the same as Django's collector, which calls receivers and functions of the project.
        self._in_sets = True
        self._follow()

    def delete(self) -> None:
        """Delete the rows and what goes along."""
        if not self._in_sets and self._only is None:
            for rows in self._roots:
                rows.delete()
            return
        for step, rows in self._emptied:
            rows.update(**{step.field.attname: step.value()})
        # Each is found by those before, so the last go first.
        for rows in (*reversed(self._along), *self._roots):
            rows._raw_delete(self._ledger.database)  # internal: one DELETE, and no second search

    def note(self) -> None:
        """Tell the ledger what would be gone and emptied by now."""
        for rows in (*self._roots, *self._along):
            self._ledger.note_gone(rows)
        for step, rows in self._emptied:
            if not asks_project(step.field):  # a preview must not write
                self._ledger.note_changed(step.field, Q(pk__in=rows.values("pk")), step.value())

    def _follow(self) -> None:
        todo: deque[tuple[Any, Any]] = deque((rows, self._only) for rows in self._roots)
        while todo:
            rows, only = todo.popleft()
            self._in_sets = self._in_sets and not sends_signals(rows.model)
            for step in steps(rows.model):
                if (only is None or only(step)) and (found := self._take(step, rows)) is not None:
                    todo.append((found, None))
            if only is None:
                todo.extend((found, None) for found in self._other_halves(rows))
        for step, rows in self._restricted:
            # RESTRICT lets rows go that go for another reason too.
            self._forbid(step, self._new(rows))

    def _take(self, step: Step, targets: QuerySet[Any]) -> QuerySet[Any] | None:
        """Look at one column that points at rows to be deleted; returns the rows that go along and were not known."""
        rows = self._new(step.rows(targets, self._ledger))
        if step.action is Action.PROTECT or step.is_user:
            self._forbid(step, rows)
        elif step.action is Action.RESTRICT:
            self._restricted.append((step, rows))
        elif number := rows.count():
            same_table = step.model is self._roots[0].model
            if same_table or step.action is Action.CUSTOM:
                self._in_sets = False  # what is deleted first might tell which other rows are
            if step.action in CASCADES:
                self.number += 0 if step.is_part else number
                self._along.append(rows)
                return rows
            if step.action in SETS:
                self._emptied.append((step, rows))
        return None

    def _forbid(self, step: Step, rows: QuerySet[Any]) -> None:
        if number := rows.count():
            self.forbidding.append((step.label, number))

    def _new(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        for known in (*self._roots, *self._along):
            if known.model is rows.model:
                rows = rows.exclude(pk__in=known.values("pk"))
        return rows

    def _other_halves(self, rows: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        """Yield the rows of parents in multi-table inheritance."""
        model: Any = rows.model
        for link in parent_links(model):
            parents: Any = QuerySet(link.remote_field.model, using=self._ledger.database)
            parents = self._new(parents.filter(pk__in=rows.values(link.attname)))
            if parents.exists():
                self._in_sets = False  # the parent is found by the child, and has to go after it
                self._along.append(parents)
                yield parents


class Unlinking:
    """Users who point at a user are not deleted in a merge: their column is emptied.

    Args:
        roots: the users.
        field: the column.
        ledger: what has happened before.
    """

    number = 0

    def __init__(self, roots: list[QuerySet[Any]], field: Any, ledger: Ledger) -> None:
        self.forbidding: list[tuple[str, int]] = []
        self._roots, self._field, self._ledger = roots, field, ledger
        if not field.null:
            label = f"{field.model._meta.label}.{field.name}"
            self.forbidding.append((label, sum(rows.count() for rows in roots)))

    def delete(self) -> None:
        """Empty the column."""
        for rows in self._roots:
            rows.update(**{self._field.attname: None})

    def note(self) -> None:
        """Tell the ledger that the column would be empty by now."""
        for rows in self._roots:
            which = Q(pk__in=rows.values("pk"))
            self._ledger.note_changed(self._field, which, Value(None))


@lru_cache(maxsize=512)
def may_be_forbidden(model: type[Model]) -> bool:
    """Tell whether there are tables that can forbid the deletion of a model's rows."""
    seen, todo = {model}, [model]
    while todo:
        for step in steps(todo.pop()):
            if step.action in {*FORBIDS, Action.CUSTOM} or is_user_table(step.model):
                return True
            if step.action in CASCADES and step.model not in seen:
                seen.add(step.model)
                todo.append(step.model)
    return False


@lru_cache(maxsize=512)
def steps(model: type[Model]) -> tuple[Step, ...]:
    """Return the columns that point at rows of a model, its parents' included, with a say in their deletion."""
    return (*_columns(model), *_generic(model))


def _columns(model: type[Model]) -> Iterator[Step]:
    # Not composite ones: the ledger knows columns. Nor DO_NOTHING, with which nothing becomes of the rows.
    for relation in relations_to(model):
        if len(relation.field.foreign_related_fields) == 1 and relation.action is not Action.IGNORE:
            yield Step(relation.model, relation.field, relation.action, relation.target)


def _generic(model: type[Model]) -> Iterator[Step]:
    """Yield the columns of which a GenericRelation of the model tells."""
    for relation in generic_relations(model):
        there: Any = relation.remote_field.model
        key = there._meta.get_field(relation.object_id_field_name)
        named: Any = model._meta.concrete_model if relation.for_concrete_model else model
        types = relation.content_type_field_name
        yield Step(there, key, Action.CASCADE, "pk", type_field=types, type_models=(named,))
