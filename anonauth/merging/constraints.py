"""What the database does not allow when a column changes from the guest to the account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db.models import CheckConstraint, F, Field, Model, Q, UniqueConstraint
from django.db.models.expressions import BaseExpression, OrderBy


@dataclass(frozen=True, slots=True, eq=False)
class UniqueKey:
    """A unique constraint or unique column that a relation is part of."""

    name: str
    #: What has to differ between two rows: names of columns, or expressions.
    parts: tuple[str | BaseExpression, ...]
    condition: Q | None = None
    nulls_distinct: bool = True

    def hides(self, column: str) -> bool:
        """Whether the column is in it only as a part of expressions: rows of whomever may have the same value."""
        return column not in self.parts

    @property
    def is_plain(self) -> bool:
        """Whether it compares columns only."""
        return all(isinstance(part, str) for part in self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """A check constraint that looks at a relation's column."""

    name: str
    condition: Any


@lru_cache(maxsize=512)
def unique_keys(model: type[Model], field: Field[Any, Any]) -> tuple[UniqueKey, ...]:
    """Return the unique keys of a table that include a column."""
    # A condition alone does not tell two rows apart, and what it says of a user it says of any other.
    return tuple(key for key in _all_keys(model) if field.attname in _compared(model, key))


@lru_cache(maxsize=512)
def checks(model: type[Model], field: Field[Any, Any]) -> tuple[Check, ...]:
    """Return the check constraints of a table that look at a column."""
    return tuple(
        Check(constraint.name, constraint.condition)
        for constraint in model._meta.constraints
        if isinstance(constraint, CheckConstraint)
        and field.attname in _attnames(model, names_in(constraint.condition))
    )


def _all_keys(model: type[Model]) -> Iterator[UniqueKey]:
    options: Any = model._meta
    for field in options.local_concrete_fields:
        if field.unique:
            yield UniqueKey(field.name, (field.attname,))
    composite = getattr(options, "pk_fields", [options.pk])
    together = [(name, "_".join(name)) for name in options.unique_together]
    if len(composite) > 1:
        together.append((tuple(field.name for field in composite), "pk"))
    for names, title in together:
        yield UniqueKey(title, _attnames(model, names))
    for constraint in options.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield _of_constraint(model, constraint)


def _of_constraint(model: type[Model], constraint: UniqueConstraint) -> UniqueKey:
    parts: tuple[Any, ...] = _attnames(model, constraint.fields)
    for expression in map(_plain, constraint.expressions):
        is_column = type(expression) is F
        parts += _attnames(model, names_in(expression)) if is_column else (expression,)
    nulls_distinct = constraint.nulls_distinct is not False
    return UniqueKey(constraint.name, parts, constraint.condition, nulls_distinct)


def _plain(expression: Any) -> Any:
    """Take off what only matters to an index: order, and PostgreSQL's classes of operators."""
    while isinstance(expression, OrderBy) or type(expression).__name__ == "OpClass":
        expression = expression.get_source_expressions()[0]
    return expression


def _compared(model: type[Model], key: UniqueKey) -> tuple[str, ...]:
    names = ([part] if isinstance(part, str) else names_in(part) for part in key.parts)
    return _attnames(model, chain.from_iterable(names))


def _attnames(model: type[Model], names: Any) -> tuple[str, ...]:
    fields = {field.name: field.attname for field in model._meta.concrete_fields}
    return tuple(fields.get(name, name) for name in names)


def names_in(expression: Any) -> Iterator[str]:
    """Yield the names of the columns that a condition or an expression, unresolved, looks at."""
    if isinstance(expression, Q):
        for child in expression.children:
            if isinstance(child, tuple):
                yield child[0].partition("__")[0]
                yield from names_in(child[1])
            else:
                yield from names_in(child)
    elif isinstance(expression, F):
        yield str(getattr(expression, "name", "")).partition("__")[0]
    elif hasattr(expression, "get_source_expressions"):
        for source in expression.get_source_expressions():
            yield from names_in(source)


def substitute(expression: Any, columns: Mapping[str, Any]) -> Any:
    """Return a condition or an expression in which columns have the values that they will have.

    Args:
        expression: a ``Q`` or an expression, unresolved.
        columns: what stands for each column, by name and by attname; for the lookups of a ``Q`` an annotation of that
            name with the prefix :data:`MOVED` has to be on the queryset.
    """
    if isinstance(expression, Q):
        children = [_substitute_child(child, columns) for child in expression.children]
        return Q.create(children, expression.connector, expression.negated)
    if hasattr(expression, "replace_expressions"):
        return expression.replace_expressions({F(name): value for name, value in columns.items()})
    return expression


#: The prefix of the annotations that stand for columns in the lookups of a condition.
MOVED = "anonauth_moved_"


def _substitute_child(child: Any, columns: Mapping[str, Any]) -> Any:
    if not isinstance(child, tuple):
        return substitute(child, columns)
    name, _, lookup = child[0].partition("__")
    value = substitute(child[1], columns)
    if name not in columns:
        return (child[0], value)
    return (f"{MOVED}{name}" + (f"__{lookup}" if lookup else ""), value)
