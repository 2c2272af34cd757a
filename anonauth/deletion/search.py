"""Finding what hangs off some rows: one statement per foreign key, whatever the number of rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connections
from django.db.models import QuerySet

from anonauth.deletion.graph import (
    CASCADES,
    SETS,
    UNSEEN,
    Action,
    Model,
    Relation,
    columns_of,
    generic_relations,
    has_one_key,
    is_leaf,
    new_value,
    parent_links,
    relations_to,
    sends_signals,
)
from anonauth.deletion.keys import Keys, among
from anonauth.deletion.leaves import Leaves
from anonauth.deletion.plan import Plan


class NeedsCollector(Exception):
    """Something was met that only Django's own collector can delete."""


class Found:
    """Rows of one model that were just found, and the first rows that they go with."""

    def __init__(
        self, model: Model, rows: list[tuple[Any, ...]], roots: list[Any], columns: Any
    ) -> None:
        self.model, self.rows, self.roots = model, rows, roots
        self._places = {name: place for place, name in enumerate(columns)}
        self._keys: dict[str, Keys] = {}
        self._owners: dict[str, dict[Any, Any]] = {}

    def keys(self, column: str) -> Keys:
        """Return the values of a column."""
        if column not in self._keys:
            place = self._places[column]
            self._keys[column] = Keys(row[place] for row in self.rows if row[place] is not None)
        return self._keys[column]

    def take_keys(self, keys: Keys) -> None:
        """Use keys that are prepared for the database already."""
        self._keys[self.model._meta.pk.attname] = keys

    def owners(self, column: str) -> dict[Any, Any]:
        """Return the first row of each value of a column.

        What refers to a value may spell it in another way that is equal to the database, e.g. in ``citext`` or under
        a collation that ignores case: then it is not known of which row.
        """
        if column not in self._owners:
            place = self._places[column]
            values = (row[place] for row in self.rows)
            self._owners[column] = dict(zip(values, self.roots, strict=True))
        return self._owners[column]


class Search:
    """One walk along everything that refers to the rows of a plan; reads only.

    Args:
        plan: is filled.
        unseen: whether to follow what the database would do by itself (``DB_CASCADE``), in order to count it.
    """

    def __init__(self, plan: Plan, *, unseen: bool = False) -> None:
        self.plan = plan
        self.using = plan.using
        self.unseen = unseen
        self._restricted: dict[Relation, dict[Any, Any]] = defaultdict(dict)

    def run(self, keys: Iterable[Any] | None = None) -> None:
        """Find everything; the primary keys of the first rows are read unless they are given.

        Raises:
            NeedsCollector
        """
        rows = self.plan.origin
        model = rows.model
        if keys is None and not rows.query.is_sliced and is_leaf(model, None, unseen=self.unseen):
            self.plan.leaves.append(Leaves(rows))
            return
        if keys is None or len(self._columns(model)) > 1 or sends_signals(model):
            found = self._read(rows.order_by() if not rows.query.is_sliced else rows, model)
        else:
            found = [(key,) for key in keys]
            self.plan.keys[model] = Keys.of(keys)
        self._add(model, found, [row[0] for row in found])
        self._forbid_restricted()

    def _columns(self, model: Model) -> tuple[str, ...]:
        return columns_of(model, unseen=self.unseen)

    def _read(self, rows: QuerySet[Any], model: Model, *more: str) -> list[tuple[Any, ...]]:
        if not has_one_key(model):
            raise NeedsCollector
        columns = (*self._columns(model), *more)
        if not sends_signals(model):
            return list(rows.values_list(*columns))
        instances = list(rows)
        known = self.plan.rows.get(model, {})
        self.plan.instances[model] += [i for i in instances if i.pk not in known]
        return [tuple(getattr(i, name) for name in columns) for i in instances]

    def _add(
        self, model: Model, rows: list[tuple[Any, ...]], roots: list[Any], *, follow: bool = True
    ) -> None:
        known = self.plan.rows.setdefault(model, {})
        new = list(zip(rows, roots, strict=True))
        if known:
            new = [pair for pair in new if pair[0][0] not in known]
        if not new:
            return
        known.update((row[0], root) for row, root in new)
        found = Found(model, [r for r, _ in new], [root for _, root in new], self._columns(model))
        prepared = self.plan.keys.get(model)
        if prepared is not None and len(prepared) == len(new) == len(known):
            found.take_keys(prepared)
        for link in parent_links(model):
            self._add_parents(found, link)
        if not follow:
            return
        leaves: dict[tuple[Model, str], list[Any]] = defaultdict(list)
        for relation in relations_to(model):
            if relation.action is Action.IGNORE or (relation.action in UNSEEN and not self.unseen):
                continue
            if relation.action in CASCADES and is_leaf(
                relation.model, relation.field, unseen=self.unseen
            ):
                leaves[relation.model, relation.target].append(relation.field)
            elif found.keys(relation.target).values:
                self._follow(relation, found)
        for (leaf, target), fields in leaves.items():
            keys = found.keys(target)
            for part, rows_of_part in self._related(leaf, fields, keys):
                self.plan.leaves.append(Leaves(rows_of_part, part, fields[0]))
        for field in generic_relations(model):
            self._follow_generic(field, found)

    def _add_parents(self, found: Found, link: Any) -> None:
        # What refers to the parents is among what refers to the child.
        parent = link.remote_field.model
        keys = found.keys(link.attname)
        self.plan.before[parent._meta.concrete_model].add(found.model._meta.concrete_model)
        rows: list[tuple[Any, ...]] = []
        for part in keys.chunks(self.using, [link]):
            same: QuerySet[Any] = QuerySet(parent, using=self.using).filter(
                among([link.target_field.attname], part)
            )
            rows += self._read(same, parent)
        owners = found.owners(link.attname)
        self._add(parent, rows, [owners.get(row[0]) for row in rows], follow=False)

    def _related(
        self, model: Model, fields: list[Any], keys: Keys
    ) -> Iterator[tuple[Keys, QuerySet[Any]]]:
        manager = model._base_manager.using(self.using)
        columns = [field.attname for field in fields]
        for part in filter(len, keys.chunks(self.using, fields)):
            yield part, manager.filter(among(columns, part))

    def _follow(self, relation: Relation, found: Found) -> None:
        keys = found.keys(relation.target)
        for _, rows in self._related(relation.model, [relation.field], keys):
            if relation.action in SETS:
                change = (rows.order_by(), relation.field.name, new_value(relation.field))
                self.plan.updates.append(change)
            elif relation.action is Action.PROTECT:
                self._protect(relation, rows, found)
            elif relation.action is Action.RESTRICT:
                self._restrict(relation, rows, found)
            else:
                self._cascade(relation, rows, found)

    def _cascade(self, relation: Relation, rows: QuerySet[Any], found: Found) -> None:
        field = relation.field
        if not field.null:
            self._order(relation)
        elif not connections[self.using].features.can_defer_constraint_checks:
            self.plan.updates.append((rows, field.name, None))
        owners = found.owners(relation.target)
        read = self._read(rows.order_by(), relation.model, field.attname)
        self._add(relation.model, read, [owners.get(row[-1]) for row in read])

    def _protect(self, relation: Relation, rows: QuerySet[Any], found: Found) -> None:
        owners = found.owners(relation.target)
        values = rows.order_by().values_list(relation.field.attname, flat=True).distinct()
        if forbidden := {owners.get(value) for value in values}:
            self.plan.forbidden |= forbidden
            self.plan.protecting[relation.name].append(rows)

    def _restrict(self, relation: Relation, rows: QuerySet[Any], found: Found) -> None:
        owners = found.owners(relation.target)
        read = rows.order_by().values_list("pk", relation.field.attname)
        self._restricted[relation].update((key, owners.get(value)) for key, value in read)
        self._order(relation)

    def _order(self, relation: Relation) -> None:
        parent = relation.field.remote_field.model._meta.concrete_model
        self.plan.before[parent].add(relation.model._meta.concrete_model)

    def _forbid_restricted(self) -> None:
        """Forbid what RESTRICT forbids: rows that are not themselves deleted by a cascade from elsewhere."""
        for relation, restricted in self._restricted.items():
            left = {
                k: root
                for k, root in restricted.items()
                if k not in self.plan.rows.get(relation.model, {})
            }
            name = relation.model._meta.pk.attname
            for leaves in self.plan.leaves:
                if left and leaves.rows.model is relation.model:
                    for part in Keys(left).chunks(self.using, [relation.field]):
                        for key in leaves.rows.filter(among([name], part)).values_list(
                            "pk", flat=True
                        ):
                            left.pop(key, None)
            if left:
                self.plan.forbidden.update(left.values())
                self.plan.restricting[relation.name] += [
                    QuerySet(relation.model, using=self.using).filter(among([name], part))
                    for part in Keys(left).chunks(self.using, [relation.field])
                ]

    def _follow_generic(self, field: Any, found: Found) -> None:
        model = field.remote_field.model
        for part in found.keys(found.model._meta.pk.attname).chunks(self.using, [field]):
            rows = field.bulk_related_objects([_Row(key) for key in part.values], self.using)
            if not isinstance(rows, QuerySet):
                raise NeedsCollector
            if is_leaf(model, None, unseen=self.unseen):
                self.plan.leaves.append(Leaves(rows))
                continue
            # The column that holds the owner's key may be a text for keys of any kind.
            owners = {
                str(k): root for k, root in found.owners(found.model._meta.pk.attname).items()
            }
            read = self._read(rows.order_by(), model, field.object_id_field_name)
            self._add(model, read, [owners.get(str(row[-1])) for row in read])


class _Row:
    """As much of a row as a generic relation looks at."""

    __slots__ = ("pk",)

    def __init__(self, pk: Any) -> None:
        self.pk = pk
