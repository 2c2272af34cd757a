"""Deleting rows that nothing hangs off and nobody listens to: they are not read before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import NotSupportedError, OperationalError, connections, transaction
from django.db.models import QuerySet
from django.db.models.sql import DeleteQuery

from anonauth.deletion.keys import Keys, array_type

#: The name of the keys in a statement that has them once for many tables.
TABLE = "anonauth_keys"
#: What PostgreSQL says to one statement for many tables, but not to one for each: a trigger of one of them that runs
#: before a row is deleted changes rows of another ("triggered data change violation"); one has a rule ("feature not
#: supported").
ONE_AT_A_TIME = {"27000", "0A000"}


@dataclass(frozen=True, slots=True)
class Leaves:
    """Rows of one table, and the keys in one of its columns by which alone they are found, if they are."""

    rows: QuerySet[Any]
    keys: Keys | None = None
    column: Any = None


def delete_leaves(found: Iterable[Leaves], using: str) -> Counter[str]:
    """Delete them, and return the number of rows by the label of their model.

    On PostgreSQL one statement does it in all tables whose rows hang off the same others: sending a thousand keys, and
    reading them, takes longer than finding that a table has no row for them.
    """
    deleted: Counter[str] = Counter()
    together: defaultdict[Any, list[Leaves]] = defaultdict(list)
    for number, leaves in enumerate(found):
        together[number if leaves.keys is None else leaves.keys].append(leaves)
    for group in together.values():
        numbers: Sequence[int]
        keys = group[0].keys
        if keys is None or len(group) == 1 or connections[using].vendor != "postgresql":
            numbers = [delete_unread(leaves.rows) for leaves in group]
        else:
            try:
                with transaction.atomic(using=using):
                    numbers = _delete_together(group, keys, using)
            except (NotSupportedError, OperationalError) as error:
                if getattr(error.__cause__, "sqlstate", None) not in ONE_AT_A_TIME:
                    raise
                numbers = [delete_unread(leaves.rows) for leaves in group]
        for leaves, number in zip(group, numbers, strict=True):
            deleted[leaves.rows.model._meta.label] += number
    return deleted


def delete_unread(rows: QuerySet[Any]) -> int:
    """Delete rows without looking for what hangs off them, and return their number."""
    query = rows.order_by()
    query.query.select_related = False
    number: int | None = query._raw_delete(using=query.db)  # internal, as all of Django's deletion
    return number or 0  # None of what a manager hides altogether


def _delete_together(group: list[Leaves], keys: Keys, using: str) -> Sequence[int]:
    connection = connections[using]
    column = group[0].column
    tables = [f"{TABLE} (keys) AS (SELECT %s::{array_type(column, connection)})"]
    parameters = [keys.array(column, connection)]
    counts = []
    keys.table = TABLE
    try:
        for number, leaves in enumerate(group):
            query: Any = leaves.rows.order_by().query.chain(DeleteQuery)
            query.select_related = False
            try:
                sql, needed = query.get_compiler(connection=connection).as_sql()
            except EmptyResultSet:
                counts.append("0")
                continue
            tables.append(f"deleted_{number} AS ({sql} RETURNING 1)")
            counts.append(f"(SELECT count(*) FROM deleted_{number})")  # noqa: S608 -- a number
            parameters += needed
    finally:
        keys.table = None
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {', '.join(tables)} SELECT {', '.join(counts)}", parameters)
        numbers: Sequence[int] = cursor.fetchone()
    return numbers
