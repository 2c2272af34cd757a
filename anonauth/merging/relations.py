"""Everything in a project that points at a user, found by looking at the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.signals import setting_changed
from django.db.models import Field, Model, QuerySet

from anonauth.deletion.graph import columns_to

Kind = Literal["foreign_key", "one_to_one", "many_to_many", "generic", "same_key"]


@dataclass(frozen=True, slots=True)
class UserRelation:
    """One column that holds users: of a foreign key, of a table of links, of a generic foreign key.

    ``same_key`` is a row whose primary key is the user's: a child of the user model in multi-table inheritance, or a
    profile whose primary key is its one-to-one.
    """

    name: str
    kind: Kind
    model: type[Model]
    field: Field[Any, Any]
    #: The attribute of the user whose value the column holds.
    attribute: str
    #: What the person reads.
    label: Any
    #: Of a many-to-many field: the model to which the users are linked, if Django made the table between.
    linked: type[Model] | None = None
    #: Of a generic foreign key: the foreign key to the content type, and the models by which it may name a user.
    type_field: str = ""
    type_models: tuple[type[Model], ...] = ()

    @property
    def column(self) -> str:
        """The attribute of the model, as queries name it."""
        return self.field.attname

    @property
    def is_own(self) -> bool:
        """Whether the column is one of the user's own, so that the guest's row may point at himself."""
        return self.model in own_models(get_user_model())

    @property
    def of_users(self) -> bool:
        """Whether the rows are users, in whole or in part: nobody is deleted because he points at a guest."""
        return self.kind != "same_key" and is_user_table(self.model)

    @property
    def user_key(self) -> str:
        """Of rows that are users: the field with the user's key."""
        return "pk" if self.is_own else own_models(get_user_model())[0]._meta.pk.name

    @property
    def links_users(self) -> bool:
        """Whether users are linked to users."""
        return self.linked is not None and self.linked._meta.concrete_model in own_models(
            get_user_model()
        )

    def value_of(self, user: Any) -> Any:
        """Return what the column holds of a user; None if it can hold nothing of him."""
        value = getattr(user, self.attribute)
        if self.kind != "generic":
            return value
        try:
            return self.field.to_python(str(value))
        except ValidationError:
            return None  # e.g. an integer column beside users with UUID keys

    def rows(self, database: str) -> QuerySet[Any]:
        """Return the rows of the table that can point at users."""
        # Not by a manager: one that hides rows, e.g. those deleted softly, would leave them behind.
        rows: QuerySet[Any] = QuerySet(self.model, using=database)
        if not self.type_field:
            return rows
        return rows.filter(**{f"{self.type_field}__in": list(type_keys(self.type_models))})


def user_relations() -> tuple[UserRelation, ...]:
    """Return all relations to the user model of this project; remembered by this process.

    Parents come before the rows that a delete of them would take along, and rows that share the user's key come last:
    what hangs on them points at the account by then.
    """
    return _relations(get_user_model())


def own_models(user_model: type[Model]) -> tuple[type[Model], ...]:
    """Return the models that a user's row consists of: the user model, and its parents in multi-table inheritance."""
    concrete = user_model._meta.concrete_model or user_model
    return (concrete, *concrete._meta.get_parent_list())


def is_user_table(model: type[Model]) -> bool:
    """Tell whether the rows of a model are users: the user model, its parents, and its children with tables."""
    user_model = own_models(get_user_model())[0]
    return issubclass(model, user_model) or issubclass(user_model, model)


@lru_cache(maxsize=8)
def _relations(user_model: type[Model]) -> tuple[UserRelation, ...]:
    family = _family(user_model)
    found = [*_columns(user_model, family), *_generic(family)]
    return tuple(_parents_first(sorted(found, key=lambda relation: relation.name)))


@lru_cache(maxsize=8)
def explicit_links(user_model: type[Model]) -> dict[str, tuple[str, ...]]:
    """Return for each many-to-many field with a table of its own the names of that table's relations to users."""
    found = {}
    for model in apps.get_models():
        for field in model._meta.local_many_to_many:
            through: Any = field.remote_field.through
            if not through._meta.auto_created:
                names = (r.name for r in _relations(user_model) if r.model is through)
                found[f"{model._meta.label}.{field.name}"] = tuple(names)
    return {name: relations for name, relations in found.items() if relations}


def _forget(*, setting: str, **_kwargs: Any) -> None:
    if setting in {"AUTH_USER_MODEL", "INSTALLED_APPS"}:
        _relations.cache_clear()
        explicit_links.cache_clear()


setting_changed.connect(_forget, dispatch_uid="anonauth.relations")


def type_keys(models: Iterable[type[Model]]) -> Iterator[int]:
    """Yield the keys of the content types of models, of those that have one; reads only."""
    types: Any = apps.get_model("contenttypes", "ContentType")
    for model in models:
        try:
            # From Django's cache after the first time; the usual get_for_model() would make a row.
            yield types.objects.get_by_natural_key(model._meta.app_label, model._meta.model_name).pk
        except types.DoesNotExist:
            continue


def _family(user_model: type[Model]) -> dict[type[Model], str]:
    """Return the models whose rows have the key of a user, each with the user's attribute that is its primary key."""
    found = dict.fromkeys(own_models(user_model), "pk")
    todo = list(found)
    for one in todo:  # grows while it is read
        for field in _pointing_at(one):
            attribute = _attribute(user_model, found[one], field)
            if field.primary_key and attribute and field.model not in found:
                found[field.model] = attribute
                todo.append(field.model)
    return found


def _attribute(user_model: type[Model], key: str, field: Any) -> str | None:
    """Return the user's attribute that a foreign key holds, or None.

    Args:
        user_model: the user model.
        key: the attribute that is the primary key of the table that the foreign key points at.
        field: the foreign key.
    """
    if len(field.foreign_related_fields) != 1:
        return None  # no column of its own
    target: Any = field.foreign_related_fields[0]
    if target.primary_key:
        return key
    # By another column of a profile it is that profile's, whoever has it.
    name: str = target.attname
    return name if target.model in own_models(user_model) else None


def _pointing_at(model: type[Model]) -> Iterator[Any]:
    """Yield the foreign keys and one-to-ones, of all tables, that point at exactly this model or a proxy of it."""
    for field in columns_to(model):
        # A child of the model has its relations too; the model itself tells of them.
        if field.remote_field.model._meta.concrete_model is model and not field.model._meta.swapped:
            yield field


def _is_same_key(field: Any) -> bool:
    return bool(field.primary_key or field.remote_field.parent_link)


def _columns(user_model: type[Model], family: Mapping[type[Model], str]) -> Iterator[UserRelation]:
    own = own_models(user_model)
    for one, key in family.items():
        for field in _pointing_at(one):
            attribute = _attribute(user_model, key, field)
            holds_together = field.model in own and _is_same_key(field)  # the parts of a user's row
            if attribute and not holds_together:
                yield _column(field, attribute)


def _column(field: Any, attribute: str) -> UserRelation:
    model = field.model
    if model._meta.auto_created:
        return _link(field, attribute)
    kind: Kind = "one_to_one" if field.unique else "foreign_key"
    if _is_same_key(field):
        kind = "same_key"
    name = f"{model._meta.label}.{field.name}"
    return UserRelation(name, kind, model, field, attribute, model._meta.verbose_name_plural)


def _link(field: Any, attribute: str) -> UserRelation:
    """Return the relation of one end of a table that Django made for a many-to-many field."""
    owner = field.model._meta.auto_created
    many = next(m for m in owner._meta.local_many_to_many if m.remote_field.through is field.model)
    is_near_end = many.m2m_field_name() == field.name
    linked = many.remote_field.model if is_near_end else owner
    name = f"{owner._meta.label}.{many.name}"
    if not is_near_end and many.remote_field.model._meta.concrete_model in own_models(owner):
        name += ":reverse"  # users linked to users: each end is a relation
    label = linked._meta.verbose_name_plural
    return UserRelation(name, "many_to_many", field.model, field, attribute, label, linked)


def _generic(family: Mapping[type[Model], str]) -> Iterator[UserRelation]:
    if not apps.is_installed("django.contrib.contenttypes"):
        return
    keyed = {model for model, key in family.items() if key == "pk"}
    named = tuple(m for m in apps.get_models() if m._meta.concrete_model in keyed)
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy:
            continue
        for key in model._meta.private_fields:
            if not hasattr(key, "ct_field") or key.model is not model:
                continue
            yield UserRelation(
                f"{model._meta.label}.{key.name}",
                "generic",
                model,
                model._meta.get_field(key.fk_field),
                "pk",
                model._meta.verbose_name_plural,
                type_field=key.ct_field,
                type_models=named,
            )


def _parents_first(relations: list[UserRelation]) -> Iterator[UserRelation]:
    models = {relation.model for relation in relations if relation.kind != "same_key"}
    placed: set[type[Model]] = set()
    rest = [relation for relation in relations if relation.kind != "same_key"]
    while rest:
        ready = [r for r in rest if not (_parents(r.model) & models) - placed - {r.model}]
        # In a cycle nobody is first.
        chosen = ready or rest[:1]
        yield from chosen
        placed |= {relation.model for relation in chosen}
        rest = [relation for relation in rest if relation not in chosen]
    yield from (relation for relation in relations if relation.kind == "same_key")


def _parents(model: type[Model]) -> set[type[Model]]:
    """Return all models that rows of a model point at, directly or not."""
    found: set[type[Model]] = set()
    todo = [model]
    while todo:
        for field in todo.pop()._meta.concrete_fields:
            parent = field.related_model
            if isinstance(parent, type) and parent not in found:
                found.add(parent)
                todo.append(parent)
    return found
