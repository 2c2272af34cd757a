"""What refers to a model, and what ``on_delete`` does to it; nothing here looks at rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any

from django.db import models
from django.db.models import signals
from django.db.models.deletion import get_candidate_relations_to_delete

Model = type[models.Model]


class Action(Enum):
    """What becomes of a row when the one that it refers to is deleted."""

    CASCADE = auto()
    PROTECT = auto()
    RESTRICT = auto()
    SET = auto()
    IGNORE = auto()
    #: Django 6.1: the database does it by itself, unseen.
    DATABASE_CASCADE = auto()
    DATABASE_SET = auto()
    #: A function of the project's own, which has to get Django's collector.
    CUSTOM = auto()


ACTIONS: dict[Any, Action] = {
    models.CASCADE: Action.CASCADE,
    models.PROTECT: Action.PROTECT,
    models.RESTRICT: Action.RESTRICT,
    models.SET_NULL: Action.SET,
    models.SET_DEFAULT: Action.SET,
    models.DO_NOTHING: Action.IGNORE,
}
for _name, _found in {
    "DB_CASCADE": Action.DATABASE_CASCADE,
    "DB_SET_NULL": Action.DATABASE_SET,
    "DB_SET_DEFAULT": Action.DATABASE_SET,
}.items():
    if hasattr(models, _name):
        ACTIONS[getattr(models, _name)] = _found

#: What Django's collector does not look at.
UNSEEN = {Action.IGNORE, Action.DATABASE_CASCADE, Action.DATABASE_SET}
#: Whoever does it, Django or the database.
CASCADES = {Action.CASCADE, Action.DATABASE_CASCADE}
SETS = {Action.SET, Action.DATABASE_SET}
FORBIDS = {Action.PROTECT, Action.RESTRICT}


@dataclass(frozen=True, slots=True)
class Relation:
    """One foreign key that refers to a model."""

    model: Model
    field: Any
    action: Action

    @property
    def target(self) -> str:
        """The attribute of the row referred to, its key or the foreign key's ``to_field``."""
        name: str = self.field.foreign_related_fields[0].attname
        return name

    @property
    def name(self) -> str:
        """The name of the foreign key, for messages."""
        return f"{self.model.__name__}.{self.field.name}"


def columns_to(model: Model) -> Iterator[Any]:
    """Yield the foreign keys, of all tables, that refer to a model, its parents included, in Django's order."""
    # internal: what Django's own collector walks
    found: Iterable[Any] = get_candidate_relations_to_delete(model._meta)
    return (relation.field for relation in found)


@cache
def relations_to(model: Model) -> tuple[Relation, ...]:
    """Return the foreign keys that refer to a model, its parents included, and what becomes of their rows."""
    return tuple(Relation(field.model, field, action_of(field)) for field in columns_to(model))


def action_of(field: Any) -> Action:
    """Return what becomes of a foreign key's rows when what they refer to is deleted."""
    on_delete = field.remote_field.on_delete
    if on_delete in ACTIONS:
        return ACTIONS[on_delete]
    return Action.SET if _is_set_to(on_delete) else Action.CUSTOM


def new_value(field: Any) -> Callable[[], Any] | Any:
    """Return what a foreign key's ``on_delete`` writes, or a function that is to be asked only if there is a row."""
    on_delete = field.remote_field.on_delete
    if on_delete is models.SET_DEFAULT:
        return field.get_default
    if on_delete is getattr(models, "DB_SET_DEFAULT", models.SET_DEFAULT):
        return field.db_default
    return on_delete.deconstruct()[1][0] if _is_set_to(on_delete) else None


def asks_project(field: Any) -> bool:
    """Tell whether ``SET()`` has a function, which may write, e.g. make the user who stands for deleted ones."""
    return _is_set_to(field.remote_field.on_delete) and callable(new_value(field))


def _is_set_to(on_delete: Any) -> bool:
    """Tell whether it was made by ``SET()``."""
    deconstruct = getattr(on_delete, "deconstruct", None)
    return deconstruct is not None and deconstruct()[0] == "django.db.models.SET"


@cache
def generic_relations(model: Model) -> tuple[Any, ...]:
    """Return the fields like ``GenericRelation``, whose rows go with the model's."""
    return tuple(f for f in model._meta.private_fields if hasattr(f, "bulk_related_objects"))


@cache
def parent_links(model: Model) -> tuple[Any, ...]:
    """Return the one-to-one fields to the tables from which the model inherits."""
    concrete = model._meta.concrete_model or model
    return tuple(link for link in concrete._meta.parents.values() if link is not None)


@cache
def columns_of(model: Model, *, unseen: bool = False) -> tuple[str, ...]:
    """Return the attributes that have to be read of a row to find what refers to it, the primary key first."""
    key = model._meta.pk.attname
    wanted = [key, *(link.attname for link in parent_links(model))]
    wanted += [r.target for r in relations_to(model) if unseen or r.action not in UNSEEN]
    return tuple(dict.fromkeys(wanted))


@cache
def is_plain(model: Model) -> bool:
    """Tell whether everything that a deletion can reach has single-column keys and an ``on_delete`` known here."""
    seen: set[Model] = set()
    ahead = [model]
    while ahead:
        one = ahead.pop()
        if one in seen:
            continue
        seen.add(one)
        seen_relations = [r for r in relations_to(one) if r.action not in UNSEEN]
        if not has_one_key(one) and (seen_relations or one is model):
            return False
        for relation in seen_relations:
            if relation.action is Action.CUSTOM or len(relation.field.foreign_related_fields) != 1:
                return False
            if relation.action in {Action.CASCADE, Action.RESTRICT}:
                ahead.append(relation.model)
        ahead += [f.remote_field.model for f in generic_relations(one)]
        ahead += [link.remote_field.model for link in parent_links(one)]
    return True


def has_one_key(model: Model) -> bool:
    """Tell whether the primary key is one column; it is not with Django's ``CompositePrimaryKey``."""
    return getattr(model._meta.pk, "column", None) is not None


def sends_signals(model: Model) -> bool:
    """Tell whether somebody listens to the deletion of this model's rows; tables that Django made send nothing."""
    if model._meta.auto_created:
        return False
    return signals.pre_delete.has_listeners(model) or signals.post_delete.has_listeners(model)


def is_leaf(model: Model, via: Any, *, unseen: bool) -> bool:
    """Tell whether rows of a model can go unread: nothing hangs off them, and nobody listens.

    Args:
        model: the model.
        via: the foreign key by which they are reached.
        unseen: whether what the database deletes by itself counts as hanging off them.
    """
    return (
        not sends_signals(model)
        and all(link is via for link in parent_links(model))
        and not generic_relations(model)
        and all(
            relation.action is Action.IGNORE or (relation.action in UNSEEN and not unseen)
            for relation in relations_to(model)
        )
    )
