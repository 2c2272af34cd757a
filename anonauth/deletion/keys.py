"""Comparing a column with many keys, which are prepared for the database once and used in many statements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import F, Lookup, Q

#: Parameters of a statement besides the keys, where a database takes a limited number of all.
SPARE = 50
COLLATION = re.compile(r"\s+COLLATE\s", re.IGNORECASE)

if TYPE_CHECKING:
    BooleanLookup = Lookup[Any]
else:
    BooleanLookup = Lookup


class Keys:
    """Values of a column, as Python has them; the database's form of each is made once."""

    __slots__ = ("_arrays", "_prepared", "table", "values")

    def __init__(self, values: Iterable[Any]) -> None:
        self.values = list(values)
        #: The name under which the statement that is being written has them already.
        self.table: str | None = None
        self._prepared: dict[Any, list[Any]] = {}
        self._arrays: dict[Any, Any] = {}

    @classmethod
    def of(cls, values: Iterable[Any]) -> Keys:
        """Return the same keys if they are prepared."""
        return values if isinstance(values, cls) else cls(values)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def prepared(self, field: Any, connection: Any) -> list[Any]:
        """Return the values as parameters for a column of this field, or of one that refers to it."""
        while field.is_relation:
            field = field.target_field
        kind = (connection.alias, field)
        if kind not in self._prepared:
            prepare = field.get_db_prep_value
            self._prepared[kind] = [prepare(value, connection) for value in self.values]
        return self._prepared[kind]

    def array(self, field: Any, connection: Any) -> Any:
        """Return the values as one parameter of PostgreSQL, to be cast to an array of the column's type."""
        while field.is_relation:
            field = field.target_field
        kind = (connection.alias, field)
        if kind not in self._arrays:
            values: Any = self.prepared(field, connection)
            # Written once. A list is written anew for each statement, and each of its elements looked at.
            if all(isinstance(value, UUID) for value in values):
                values = f"{{{','.join([value.hex for value in values])}}}"
            elif all(isinstance(value, int) for value in values):
                values = f"{{{','.join(map(str, values))}}}"
            self._arrays[kind] = values
        return self._arrays[kind]

    def chunks(self, using: str, fields: Sequence[Any]) -> Iterator[Keys]:
        """Yield the keys in parts that fit into one statement if each is compared with all of the fields."""
        size = most_keys(using, fields, self.values)
        if size >= len(self):
            yield self
            return
        for start in range(0, len(self), size):
            yield Keys(self.values[start : start + size])


class AmongKeys(BooleanLookup):
    """``column IN (keys)``; on PostgreSQL one array, so that a thousand keys are one parameter to bind and to parse."""

    lookup_name = "among_keys"
    prepare_rhs = False
    rhs: Keys

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self._column(compiler, connection)
        values = self.rhs.prepared(self.lhs.output_field, connection)
        return f"{column} IN ({', '.join(['%s'] * len(values))})", (*parameters, *values)

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self._column(compiler, connection)
        field = self.lhs.output_field
        kind = array_type(field, connection)
        array = self.rhs.array(field, connection)
        if not leads_index(field):
            return f"{column} = ANY(%s::{kind})", (*parameters, array)
        # The planner, who sees that the keys are many, would read the whole of a table that is not very large, once
        # for each batch. It does not look into a subquery.
        if self.rhs.table is not None:
            there = f"SELECT keys FROM {self.rhs.table}"  # noqa: S608 -- our own name
            return f"{column} = ANY(({there})::{kind})", tuple(parameters)
        return f"{column} = ANY((SELECT %s::{kind})::{kind})", (*parameters, array)

    def _column(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        if not len(self.rhs):
            raise EmptyResultSet
        column, parameters = self.process_lhs(compiler, connection)
        return column, list(parameters)


def most_keys(using: str, fields: Sequence[Any], keys: Sequence[Any]) -> int:
    """Return how many of some keys fit into one statement if each is compared with all of the fields."""
    connection = connections[using]
    limit = connection.features.max_query_params
    if connection.vendor == "postgresql" or limit is None:
        return len(keys)
    size: int = connection.ops.bulk_batch_size(fields, keys)
    return max(1, min(size, (limit - SPARE) // len(fields)))


def array_type(field: Any, connection: Any) -> str:
    """Return what PostgreSQL calls an array of a column's values; a column may have a collation, a type has none."""
    return f"{COLLATION.split(field.db_type(connection), maxsplit=1)[0]}[]"


@cache
def leads_index(field: Any) -> bool:
    """Return whether an index of all rows begins with the column of a field, as far as Django made the table."""
    meta = field.model._meta
    if field.primary_key or field.unique or field.db_index:
        return bool(meta.managed)
    wholes = [index for index in meta.indexes if index.condition is None]
    groups = [
        *meta.unique_together,
        *(one.fields for one in (*wholes, *meta.total_unique_constraints)),
    ]
    return bool(meta.managed) and any(tuple(group[:1]) == (field.name,) for group in groups)


def among(columns: Iterable[str], keys: Keys) -> Q:
    """Return the condition that at least one of some columns has one of the keys."""
    condition = Q()
    for column in columns:
        condition |= Q(AmongKeys(F(column), keys))
    return condition
