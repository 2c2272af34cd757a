"""The rows of one relation: the guest's, the account's, and which of them exclude each other.

All questions are asked of the database in sets, so that neither statements nor memory grow with the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import (
    BooleanField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Value,
)
from django.db.models.lookups import IsNull

from anonauth.merging.constraints import MOVED, UniqueKey, checks, substitute, unique_keys
from anonauth.merging.fallout import Fallout, Step, Unlinking
from anonauth.merging.ledger import Ledger, plain_field
from anonauth.merging.relations import UserRelation, is_user_table, type_keys


class Side:
    """The rows of one relation on both sides of a merge."""

    def __init__(self, relation: UserRelation, ledger: Ledger, *, guest: Any, account: Any) -> None:
        self.relation = relation
        self.ledger = ledger
        self.old = relation.value_of(guest)
        self.new = relation.value_of(account)
        self.keys = unique_keys(relation.model, relation.field)
        #: Whether rows of others may be in the way too.
        self.is_wide = any(key.hides(relation.column) for key in self.keys)
        self._guest = guest
        self._account = account

    @property
    def anonymous(self) -> QuerySet[Any]:
        """The guest's rows that can move."""
        return self.left.exclude(self._loop) if self._loop else self.left

    @property
    def left(self) -> QuerySet[Any]:
        """All of the guest's rows, but not his own, which goes with him."""
        rows = self._of(self.old)
        return rows.exclude(pk=self._guest.pk) if self.relation.is_own else rows

    @property
    def loops(self) -> QuerySet[Any] | None:
        """Users, and links between users, that would point from the account to itself."""
        if not self._loop:
            return None
        loops = self._of(self.old).filter(self._loop)
        if self.relation.is_own:
            return loops.exclude(pk=self._guest.pk)
        if (
            self.relation.of_users
        ):  # the guest's own row may become the account's, and points at that already
            return loops | self._of(self.new).filter(**{self.relation.user_key: self._guest.pk})
        return loops

    @property
    def existing(self) -> QuerySet[Any]:
        """The account's rows."""
        rows = self._of(self.new)
        if self.relation.of_users:
            rows = rows.exclude(**{self.relation.user_key: self._guest.pk})
        return rows

    def colliding(self, wanted: Q | None = None) -> QuerySet[Any]:
        """Return the guest's rows that a unique key does not allow beside one of the account's.

        Args:
            wanted: what else the account's row has to be; it may look at the guest's by ``OuterRef``.
        """
        return self._with_twins(self.anonymous, self._others, wanted or Q(), moving=True)

    def collided(self, rows: QuerySet[Any] | None = None) -> QuerySet[Any]:
        """Return the account's rows that a unique key does not allow beside one of the guest's, or of these of his."""
        rows = self.anonymous if rows is None else rows
        return self._with_twins(self._others, rows, Q(), moving=False)

    def twin(self) -> QuerySet[Any]:
        """Return, for a subquery of an account's row, the guest's row with the same first key, of plain columns."""
        key = self.keys[0]
        rows = self._keyed(self.anonymous, key, 0, moving=True)
        same = (_equals(str(key.parts[n]), key.nulls_distinct) for n in self._compared(key))
        return rows.filter(self._condition(key, moving=True), *same)

    def broken(self, rows: QuerySet[Any]) -> Iterator[tuple[str, QuerySet[Any]]]:
        """Yield the check constraints that some of the guest's rows would break, each with those rows."""
        for check in checks(self.relation.model, self.relation.field):
            columns = self._columns(moving=True)
            moved = rows.alias(**{f"{MOVED}{name}": value for name, value in columns.items()})
            condition = substitute(check.condition, columns)
            # A condition that is NULL is no breach, and ~Q would count it as one.
            holds = ExpressionWrapper(condition, output_field=BooleanField())
            yield check.name, moved.alias(anonauth_holds=holds).filter(anonauth_holds=False)

    def losing(
        self, anonymous: list[QuerySet[Any]], existing: list[QuerySet[Any]]
    ) -> Fallout | Unlinking:
        """Return what the loss of these rows of the guest and of the account means."""
        roots = [*anonymous, *existing]
        if self.relation.of_users:
            return Unlinking(roots, self.relation.field, self.ledger)
        if self.relation.kind != "same_key":
            return Fallout(roots, self.ledger)
        if existing:  # what points at its key stays, because the guest's row takes that over
            return Fallout(roots, self.ledger, only=self._points_beside_the_key)
        return Fallout(roots, self.ledger, only=self._points_here)

    def goes_with_guest(self, dropped_existing: int) -> bool:
        """Tell whether the rows that are lost are a part of the guest's own row, and deleted with it."""
        is_part = self.relation.kind == "same_key" and is_user_table(self.relation.model)
        return is_part and not dropped_existing

    def note_moved(self) -> None:
        """Tell the ledger that the guest's rows would be the account's by now."""
        which = Q(**{self.relation.column: self.old})
        if self.relation.type_field:
            types = list(type_keys(self.relation.type_models))
            which &= Q(**{f"{self.relation.type_field}__in": types})
        if self.relation.is_own:
            which &= ~Q(pk=self._guest.pk)
        self.ledger.note_changed(self.relation.field, which, self._new_value())

    def move(self) -> int:
        """Make the account's what is still the guest's; one UPDATE."""
        return self.anonymous.update(**{self.relation.column: self._new_value()})

    def _new_value(self) -> Value:
        return Value(self.new, output_field=plain_field(self.relation.field))

    def _rows(self) -> QuerySet[Any]:
        return self.ledger.alive(self.relation.rows(self.ledger.database))

    def _of(self, value: Any) -> QuerySet[Any]:
        rows = self._rows()
        if value is None:
            return rows.none()
        return self.ledger.having(rows, self.relation.column, value)

    @property
    def _others(self) -> QuerySet[Any]:
        if not self.is_wide:
            return self.existing
        return self._rows().exclude(pk__in=self.anonymous.values("pk"))

    @property
    def _loop(self) -> Q | None:
        both = [self._account.pk, self._guest.pk]
        if self.relation.of_users:
            can_be_empty = self.relation.field.null
            return Q(**{f"{self.relation.user_key}__in": both}) if can_be_empty else None
        if not self.relation.links_users:
            return None
        ends = (field for field in self.relation.model._meta.concrete_fields if field.is_relation)
        other = next(field for field in ends if field is not self.relation.field)
        return Q(**{f"{other.attname}__in": [self.old, self.new]})

    def _points_here(self, step: Step) -> bool:
        """Whether a column points at this very table, and not at a parent of it."""
        if step.type_field:
            return True
        target: Any = step.field.remote_field.model._meta.concrete_model
        return target is self.relation.model and not step.is_part

    def _points_beside_the_key(self, step: Step) -> bool:
        key: Any = self.relation.model._meta.pk
        return self._points_here(step) and not step.type_field and step.target != key.attname

    def _with_twins(
        self, rows: QuerySet[Any], others: QuerySet[Any], wanted: Q, *, moving: bool
    ) -> QuerySet[Any]:
        twins = Q()
        for number, key in enumerate(self.keys):
            rows = self._keyed(rows, key, number, moving=moving)
            inner = self._keyed(others, key, number, moving=not moving)
            found = inner.filter(
                self._condition(key, moving=not moving), wanted, *self._same(key, number)
            )
            here = self._condition(key, moving=moving)
            if self.is_wide and not key.hides(self.relation.column):
                of_account = Q(**{self.relation.column: self.new})
                found = found.filter(of_account) if moving else found
                here = here if moving else here & of_account
            twins |= here & Q(Exists(found))
        return rows.filter(twins) if self.keys else rows.none()

    def _columns(self, *, moving: bool) -> dict[str, Any]:
        columns = self.ledger.columns(self.relation.model)
        if moving:
            names = {self.relation.field.name, self.relation.column}
            columns |= dict.fromkeys(names, self._new_value())
        return columns

    def _compared(self, key: UniqueKey) -> list[int]:
        # The column itself is the same on both sides by then.
        return [n for n, part in enumerate(key.parts) if part != self.relation.column]

    def _same(self, key: UniqueKey, number: int) -> Iterator[Q]:
        for part in self._compared(key):
            yield _equals(_alias(number, part), key.nulls_distinct)

    def _keyed(
        self, rows: QuerySet[Any], key: UniqueKey, number: int, *, moving: bool
    ) -> QuerySet[Any]:
        columns = self._columns(moving=moving)
        compared = {n: key.parts[n] for n in self._compared(key)}
        parts = {
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


def _alias(number: int, part: int) -> str:
    return f"anonauth_key_{number}_{part}"


def _equals(name: str, nulls_distinct: bool) -> Q:
    same = Q(**{name: OuterRef(name)})
    if not nulls_distinct:
        same |= Q(**{f"{name}__isnull": True}) & Q(IsNull(OuterRef(name), True))
    return same
