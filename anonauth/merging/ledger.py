"""What a preview has to remember, and the database of the act remembers by itself."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db.models import Case, F, Field, Model, Q, QuerySet, When

#: The annotation that stands for a relation's own column once that has changed.
NOW = "anonauth_now"


class Ledger:
    """Which rows would be gone by now, and which columns would have changed; of the act itself it stays empty."""

    def __init__(self, database: str) -> None:
        self.database = database
        self._gone: dict[type[Model], list[QuerySet[Any]]] = defaultdict(list)
        self._changed: dict[type[Model], dict[Field[Any, Any], list[When]]] = defaultdict(dict)

    def note_gone(self, rows: QuerySet[Any]) -> None:
        """Remember that rows are gone."""
        self._gone[rows.model].append(rows.values("pk"))

    def note_changed(self, field: Field[Any, Any], which: Q, value: Any) -> None:
        """Remember that a column of some rows has another value."""
        self._changed[field.model].setdefault(field, []).append(When(which, then=value))

    def alive(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out the rows that are gone."""
        for gone in self._gone.get(rows.model, ()):
            rows = rows.exclude(pk__in=gone)
        return rows

    def having(self, rows: QuerySet[Any], lookup: str, value: Any) -> QuerySet[Any]:
        """Filter rows by a column as it is by now; ``lookup`` as for ``filter()``."""
        column, _, kind = lookup.partition("__")
        changed = self.columns(rows.model).get(column)
        if changed is not None:
            rows = rows.alias(**{NOW: changed})
            lookup = f"{NOW}__{kind}" if kind else NOW
        return rows.filter(**{lookup: value})

    def columns(self, model: type[Model]) -> dict[str, Any]:
        """Return what stands for each column that has changed, by name and by attname."""
        found: dict[str, Any] = {}
        for field, changes in self._changed.get(model, {}).items():
            # What was noted last holds.
            now = Case(
                *reversed(changes), default=F(field.attname), output_field=plain_field(field)
            )
            found |= dict.fromkeys({field.name, field.attname}, now)
        return found


def plain_field(field: Field[Any, Any]) -> Field[Any, Any]:
    """Return the field that a foreign key has its values from, of others the field itself."""
    found: Any = field
    while found.is_relation:
        found = found.target_field
    return found  # type: ignore[no-any-return]
