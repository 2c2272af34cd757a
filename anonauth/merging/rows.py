"""The rows of one relation: the guest's, the account's, and which of them exclude each other.

All questions are asked of the database in sets, so that neither statements nor memory grow with the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import (
    CASCADE,
    BooleanField,
    Case,
    Exists,
    ExpressionWrapper,
    F,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.lookups import IsNull

from anonauth.merging.constraints import MOVED, UniqueKey, checks, substitute, unique_keys
from anonauth.merging.relations import UserRelation


class Ledger:
    """What a preview has to remember: which rows are gone, and which columns changed, if it were the act.

    Of the act itself it stays empty; the database remembers.
    """

    def __init__(self, database: str) -> None:
        self.database = database
        self._gone: dict[type[Model], list[QuerySet[Any]]] = defaultdict(list)
        self._moved: dict[type[Model], list[Side]] = defaultdict(list)

    def note_gone(self, model: type[Model], rows: QuerySet[Any]) -> None:
        """Remember that rows of a model are gone."""
        self._gone[model].append(rows.values("pk"))

    def note_moved(self, side: Side) -> None:
        """Remember that a column has the account's value where it had the guest's."""
        self._moved[side.relation.model].append(side)

    def alive(self, rows: QuerySet[Any], model: type[Model]) -> QuerySet[Any]:
        """Leave out the rows that are gone, and those that went with a row that they point at."""
        return self._alive(rows, model, seen=frozenset())

    def _alive(
        self, rows: QuerySet[Any], model: type[Model], seen: frozenset[type[Model]]
    ) -> QuerySet[Any]:
        for gone in self._gone.get(model, ()):
            rows = rows.exclude(pk__in=gone)
        for field, parent in _cascades(model):
            if not self._lost(parent, seen | {model}):
                continue
            column = field.foreign_related_fields[0].attname
            all_rows = parent._base_manager.using(self.database)
            kept = self._alive(all_rows.all(), parent, seen | {model}).values(column)
            rows = rows.filter(
                Q(**{f"{field.attname}__isnull": True}) | Q(**{f"{field.attname}__in": kept})
            )
        return rows

    def _lost(self, model: type[Model], seen: frozenset[type[Model]]) -> bool:
        """Tell whether rows of a model may be gone, by themselves or with a row that they point at."""
        if model in seen:
            return False
        if self._gone.get(model):
            return True
        return any(self._lost(parent, seen | {model}) for _field, parent in _cascades(model))

    def columns(self, model: type[Model]) -> dict[str, Any]:
        """Return what stands for each column that has changed."""
        found: dict[str, Any] = {}
        for side in self._moved.get(model, ()):
            then = When(**{side.relation.column: side.old}, then=side.new_value())
            changed = Case(then, default=F(side.relation.column))
            found |= dict.fromkeys(_names(side.relation), changed)
        return found


class Side:
    """The rows of one relation on both sides of a merge."""

    def __init__(self, relation: UserRelation, ledger: Ledger, *, guest: Any, account: Any) -> None:
        self.relation = relation
        self.ledger = ledger
        self.old = relation.value_of(guest)
        self.new = relation.value_of(account)
        self.keys = unique_keys(relation.model, relation.field)
        self._guest = guest
        self._account = account

    def new_value(self) -> Value:
        """Return the account's value as an expression."""
        field: Any = self.relation.field
        return Value(self.new, output_field=getattr(field, "target_field", field))

    @property
    def anonymous(self) -> QuerySet[Any]:
        """The guest's rows that can move; not his own row, which may point at himself."""
        rows = self._of(self.old)
        if self.relation.of_users:
            return rows.exclude(pk=self._guest.pk)
        return rows.exclude(self._loop) if self._loop else rows

    @property
    def loops(self) -> QuerySet[Any]:
        """The guest's links that would link the account with itself, of users linked to users."""
        return self._of(self.old).filter(self._loop) if self._loop else self._rows().none()

    @property
    def existing(self) -> QuerySet[Any]:
        """The account's rows."""
        return self._of(self.new)

    def _of(self, value: Any) -> QuerySet[Any]:
        rows = self._rows()
        return rows.none() if value is None else rows.filter(**{self.relation.column: value})

    @property
    def _loop(self) -> Q | None:
        if self.relation.linked is None or not self.relation.links_users:
            return None
        ends = (field for field in self.relation.model._meta.concrete_fields if field.is_relation)
        other = next(field for field in ends if field is not self.relation.field)
        return Q(**{f"{other.attname}__in": [self.old, self.new]})

    def colliding(self, wanted: Q | None = None) -> QuerySet[Any]:
        """Return the guest's rows that a unique key does not allow beside one of the account's.

        Args:
            wanted: what else the account's row has to be; it may look at the guest's by ``OuterRef``.
        """
        return self._with_twins(self.anonymous, self.existing, wanted or Q(), moving=True)

    def collided(self, rows: QuerySet[Any] | None = None) -> QuerySet[Any]:
        """Return the account's rows that a unique key does not allow beside one of the guest's, or of these of his."""
        rows = self.anonymous if rows is None else rows
        return self._with_twins(self.existing, rows, Q(), moving=False)

    def _with_twins(
        self, rows: QuerySet[Any], others: QuerySet[Any], wanted: Q, *, moving: bool
    ) -> QuerySet[Any]:
        twins = Q()
        for number, key in enumerate(self.keys):
            rows = self._keyed(rows, key, number, moving=moving)
            inner = self._keyed(others, key, number, moving=not moving)
            same = _same(key, number, self._compared(key))
            found = inner.filter(self._condition(key, moving=not moving), wanted, *same)
            twins |= self._condition(key, moving=moving) & Q(Exists(found))
        return rows.filter(twins) if self.keys else rows.none()

    def twin(self, key: UniqueKey) -> QuerySet[Any]:
        """Return, for a subquery of the account's row, the guest's row with the same key of plain columns."""
        same = {
            str(name): OuterRef(str(name)) for name in key.parts if name != self.relation.column
        }
        return self.anonymous.filter(**same)

    def forbidden(self, rows: QuerySet[Any]) -> Iterator[tuple[str, QuerySet[Any]]]:
        """Yield the check constraints that the guest's rows would break, each with those rows."""
        for check in checks(self.relation.model, self.relation.field):
            columns = self._columns(moving=True)
            moved = rows.alias(**{f"{MOVED}{name}": value for name, value in columns.items()})
            condition = substitute(check.condition, columns)
            # A condition that is NULL is no breach, and ~Q would count it as one.
            holds = ExpressionWrapper(condition, output_field=BooleanField())
            yield check.name, moved.alias(anonauth_holds=holds).filter(anonauth_holds=False)

    def note(self, *gone: QuerySet[Any] | None) -> None:
        """Tell the ledger which rows would be gone by now, and that the others would have moved."""
        for rows in gone:
            if rows is not None:
                self.ledger.note_gone(self.relation.model, rows)
        self.ledger.note_moved(self)

    def drop_anonymous(self, rows: QuerySet[Any]) -> None:
        """Delete rows of the guest, and what goes with them."""
        # A row with the guest's own key is a part of him, and what hung on it has moved: it goes when he goes.
        if self.relation.kind != "same_key":
            rows.delete()

    def drop_existing(self, rows: QuerySet[Any]) -> None:
        """Delete rows of the account, and what goes with them."""
        if self.relation.kind == "same_key":
            # What hangs on it stays, because the guest's row takes its key over; delete() would take the account along.
            rows._raw_delete(
                self.ledger.database
            )  # internal: one DELETE, without a look at other tables
        else:
            rows.delete()

    def move(self) -> int:
        """Make the account's what is still the guest's; one UPDATE."""
        to: Any = self.new_value()
        if self.relation.of_users and self.relation.field.null:
            # Whom the account pointed at is now the account itself.
            to = Case(When(pk=self._account.pk, then=Value(None)), default=to)
        return self.anonymous.update(**{self.relation.column: to})

    def _rows(self) -> QuerySet[Any]:
        rows = self.relation.rows(self.ledger.database)
        return self.ledger.alive(rows, self.relation.model)

    def _columns(self, *, moving: bool) -> dict[str, Any]:
        columns = self.ledger.columns(self.relation.model)
        if moving:
            columns |= dict.fromkeys(_names(self.relation), self.new_value())
        return columns

    def _compared(self, key: UniqueKey) -> list[int]:
        # The column itself is the same on both sides by then.
        return [n for n, part in enumerate(key.parts) if part != self.relation.column]

    def _keyed(
        self, rows: QuerySet[Any], key: UniqueKey, number: int, *, moving: bool
    ) -> QuerySet[Any]:
        columns = self._columns(moving=moving)
        compared = {n: key.parts[n] for n in self._compared(key)}
        parts: dict[str, Any] = {
            _alias(number, n): substitute(F(part) if isinstance(part, str) else part, columns)
            for n, part in compared.items()
        }
        if key.condition is not None:
            parts |= {f"{MOVED}{name}": value for name, value in columns.items()}
        keyed: QuerySet[Any] = rows.alias(**parts)
        return keyed

    def _condition(self, key: UniqueKey, *, moving: bool) -> Q:
        if key.condition is None:
            return Q()
        condition: Q = substitute(key.condition, self._columns(moving=moving))
        return condition


def _cascades(model: type[Model]) -> Iterator[tuple[Any, type[Model]]]:
    """Yield the foreign keys of a model whose rows go with the row that they point at."""
    for field in model._meta.concrete_fields:
        remote: Any = field.remote_field
        if remote is not None and remote.on_delete is CASCADE:
            yield field, remote.model


def _names(relation: UserRelation) -> tuple[str, ...]:
    return tuple({relation.field.name, relation.column})


def _alias(number: int, part: int) -> str:
    return f"anonauth_key_{number}_{part}"


def _same(key: UniqueKey, number: int, compared: list[int]) -> Iterator[Q]:
    for part in compared:
        name = _alias(number, part)
        same = Q(**{name: OuterRef(name)})
        if not key.nulls_distinct:
            same |= Q(**{f"{name}__isnull": True}) & Q(IsNull(OuterRef(name), True))
        yield same
