"""A deletion by sets against Django's own, on random rows of every kind."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, models, transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete, pre_delete
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from anonauth.deletion import CollectorPlan, count_rows, delete_rows, plan_deletion
from tests.relations import models as kinds

pytestmark = pytest.mark.django_db
MODELS = [
    m
    for m in apps.get_app_config("relations").get_models(include_auto_created=True)
    if not m._meta.proxy
]
SIGNALS = {"pre": pre_delete, "post": post_delete}
WATCHED: list[Any] = [
    kinds.Watched,
    kinds.Twig,
    kinds.Dog,
    kinds.Animal,
    kinds.Comment,
    kinds.Root,
    kinds.Special,
    None,
]

#: Children of a root that can be made of its key alone.
SIMPLE = [
    kinds.Leaf, kinds.Branch, kinds.Watched, kinds.Node, kinds.Left, kinds.Dog, kinds.Animal, kinds.Nulled,
    kinds.Defaulted, kinds.Valued, kinds.Adopted, kinds.Ignored, kinds.Veiled, kinds.Album, kinds.Guard,
    kinds.Commented, kinds.Derived,
]  # fmt: skip
Made = dict[type[models.Model], list[Any]]


class Rollback(Exception):
    pass


@contextmanager
def undone() -> Iterator[None]:
    """Undo what the block does, but keep what it learned."""
    try:
        with transaction.atomic():
            yield
            raise Rollback
    except Rollback:
        pass


@contextmanager
def listening(model: Any) -> Iterator[list[tuple[Any, ...]]]:
    """Record the signals of a model; of all models for None."""
    heard: list[tuple[Any, ...]] = []
    receivers = []
    for name, signal in SIGNALS.items():

        def receiver(
            sender: Any, instance: Any, using: str, name: str = name, **kwargs: Any
        ) -> None:
            heard.append((name, sender, instance.pk, using, type(kwargs["origin"])))

        signal.connect(receiver, sender=model)
        receivers.append(receiver)
    try:
        yield heard
    finally:
        for receiver, signal in zip(receivers, SIGNALS.values(), strict=True):
            assert signal.disconnect(receiver, sender=model)


def state() -> dict[str, Counter[tuple[Any, ...]]]:
    """Return every row of every table."""
    return {
        m._meta.label: Counter(
            QuerySet(m).values_list(*(f.attname for f in m._meta.local_concrete_fields))
        )
        for m in MODELS
    }


def by_table(numbers: dict[str, int]) -> dict[str, int]:
    """Return the same numbers: a row that is met as itself and as a proxy is counted as one of the two."""
    tables: Counter[str] = Counter()
    for label, number in numbers.items():
        tables[apps.get_model(label)._meta.concrete_model._meta.label] += number
    return dict(+tables)


def outcome(delete: Callable[[QuerySet[Any]], Any], rows: QuerySet[Any], listen_to: Any) -> Any:
    """Return what a way to delete does: number of rows by model or the error, what is left, the signals."""
    heard: list[tuple[Any, ...]] = []
    with undone():
        try:
            with transaction.atomic():
                if listen_to == "nobody":
                    deleted = delete(rows.all())
                else:
                    with listening(listen_to) as heard:
                        deleted = delete(rows.all())
                connection.check_constraints()
            result: Any = by_table(deleted)
        except IntegrityError as error:
            result, heard = type(error), []
        return result, state(), heard


def assert_same(rows: QuerySet[Any], listen_to: Any = "nobody") -> Any:
    django = outcome(lambda found: found.delete()[1], rows, listen_to)
    ours = outcome(delete_rows, rows, listen_to)
    assert ours == django
    if isinstance(django[0], dict):
        assert by_table(count_rows(rows)) == django[0]
    elif django[0] in {models.ProtectedError, models.RestrictedError}:
        with pytest.raises(django[0]):
            count_rows(rows)
    return django[0]


def build(draw: Callable[[Any], Any]) -> Made:
    """Make some roots and a random forest of everything that can hang off them."""
    number = draw(st.integers(1, 5))
    made: Made = {kinds.Root: []}
    for n in range(number):
        values = {"code": draw(st.sampled_from([None, f"c{n}"]))}
        if made[kinds.Root]:
            values["elder"] = draw(st.sampled_from([None, *made[kinds.Root]]))
        model = draw(st.sampled_from([kinds.Root, kinds.Root, kinds.Special]))
        made[kinds.Root].append(kinds.Root.objects.get(pk=model.objects.create(**values).pk))
    roots = made[kinds.Root]

    def some(model: Any, **choices: list[Any]) -> None:
        if not all(choices.values()):
            return
        made[model] = [
            model.objects.create(
                **{name: draw(st.sampled_from(values)) for name, values in choices.items()}
            )
            for _ in range(draw(st.integers(0, 3)))
        ]

    for model in SIMPLE:
        # What forbids a deletion is rare, or nothing else would be tried.
        if model is not kinds.Guard or draw(st.integers(0, 9)) == 0:
            some(model, root=roots)
    maybe = [None, *roots]
    coded = [None, *(r for r in roots if r.code)]
    some(kinds.Twin, one=roots, other=maybe)
    some(kinds.ByCode, root=coded)
    some(kinds.ByCodeBranch, root=coded)
    some(kinds.ByCodeTwig, branch=made[kinds.ByCodeBranch])
    some(kinds.SpecialThing, special=list(kinds.Special.objects.all()))
    some(kinds.Twig, branch=list(kinds.BranchProxy.objects.all()))
    some(kinds.Right, left=made[kinds.Left])
    some(kinds.Bone, dog=made[kinds.Dog])
    some(kinds.Node, root=maybe, above=[None, *made[kinds.Node]])
    if draw(st.integers(0, 9)) == 0:
        some(kinds.DeepGuard, branch=made[kinds.Branch])
    if draw(st.integers(0, 3)) == 0:
        some(kinds.Song, album=made[kinds.Album], root=maybe)
        some(kinds.SongWithVerses, album=made[kinds.Album], root=maybe)
        some(kinds.Verse, song=made.get(kinds.SongWithVerses, []))
    for model in (kinds.Comment, kinds.Remark):
        some(
            model,
            content_type=[ContentType.objects.get_for_model(kinds.Root)],
            object_id=[r.pk for r in roots],
        )
    some(kinds.Reply, remark=made[kinds.Remark])
    some(kinds.Label)
    labels = [kinds.Label.objects.create() for _ in range(2)]
    some(kinds.Membership, root=roots, label=labels)
    for root in roots:
        root.labels.add(*draw(st.lists(st.sampled_from(labels), max_size=2)))
        root.friends.add(*draw(st.lists(st.sampled_from(roots), max_size=2)))
        for n in range(draw(st.integers(0, 1))):
            kinds.Pair.objects.create(root=root, number=n)
    for left in made[kinds.Left]:
        left.right = draw(st.sampled_from([None, *made.get(kinds.Right, [])]))
        left.save()
    return made


@pytest.mark.slow  # each forest has rows in forty tables, and is felled twice
@settings(
    max_examples=int(os.environ.get("TEST_FORESTS", "12")),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_random_forest_is_felled_as_django_fells_it(data: st.DataObject) -> None:
    with undone():
        kinds.last_resort()
        roots = build(data.draw)[kinds.Root]
        chosen = data.draw(st.lists(st.sampled_from(roots), min_size=1, unique=True))
        model = data.draw(st.sampled_from([kinds.Root, kinds.RootProxy, kinds.Special]))
        assert_same(
            model._default_manager.filter(pk__in=[root.pk for root in chosen]),
            data.draw(st.sampled_from(["nobody", *WATCHED])),
        )


def roots(number: int = 1) -> list[Any]:
    return kinds.Root.objects.bulk_create(kinds.Root() for _ in range(number))


def test_more_keys_than_one_statement_takes_are_deleted_in_several() -> None:
    made = roots(1200)
    kinds.Leaf.objects.bulk_create(kinds.Leaf(root=root) for root in made)
    kinds.Twin.objects.bulk_create(kinds.Twin(one=root, other=made[0]) for root in made[1:])
    branches = kinds.Branch.objects.bulk_create(kinds.Branch(root=root) for root in made)
    kinds.Twig.objects.bulk_create(kinds.Twig(branch_id=branch.pk) for branch in branches)

    assert assert_same(kinds.Root.objects.exclude(pk=made[0].pk)) == {
        "relations.Root": 1199,
        "relations.Leaf": 1199,
        "relations.Twin": 1199,
        "relations.Branch": 1199,
        "relations.Twig": 1199,
    }


def test_what_hangs_off_rows_that_look_like_leaves_goes_too() -> None:
    (root,) = roots()
    commented = kinds.Commented._base_manager.create(root=root)
    kinds.Comment.objects.create(owner=commented)
    kinds.Derived._base_manager.create(root=root)

    assert assert_same(kinds.Root.objects.all()) == {
        "relations.Root": 1,
        "relations.Commented": 1,
        "relations.Comment": 1,
        "relations.Derived": 1,
        "relations.Base": 1,
    }


def test_rows_of_the_same_table_go_along_also_where_the_keys_of_the_first_are_known() -> None:
    top = kinds.Node.objects.create()
    middle = kinds.Node.objects.create(above=top)
    kinds.Node.objects.create(above=middle)

    plan = plan_deletion(kinds.Node.objects.filter(pk=top.pk), keys=[top.pk])

    assert plan.execute() == {"relations.Node": 3}


def test_the_number_of_statements_does_not_depend_on_the_number_of_rows() -> None:
    numbers = []
    ContentType.objects.get_for_model(kinds.Root)  # remembered from the first time on
    for number in (1, 100):
        made = roots(number)
        branches = kinds.Branch.objects.bulk_create(
            kinds.Branch(root=r) for r in made for _ in "ab"
        )
        kinds.Twig.objects.bulk_create(kinds.Twig(branch_id=b.pk) for b in branches for _ in "ab")
        with CaptureQueriesContext(connection) as captured:
            delete_rows(kinds.Root.objects.all())
        numbers.append(len(captured))

    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("guarded", [False, True])
def test_an_on_delete_of_the_projects_own_is_left_to_django(guarded: bool) -> None:
    root, kept = kinds.OddRoot.objects.create(), kinds.OddRoot.objects.create()
    for owner in (root, kept):
        kinds.Odd.objects.create(root=owner)
        kinds.OddLeaf.objects.create(root=owner)
    if guarded:
        kinds.OddGuard.objects.create(root=root)

    rows = kinds.OddRoot.objects.filter(pk=root.pk)
    assert isinstance(plan_deletion(kinds.OddRoot.objects.none()), CollectorPlan)
    result = assert_same(rows)

    assert (result is models.ProtectedError) is guarded
    if not guarded:
        delete_rows(rows)
        assert set(kinds.Odd.objects.values_list("root", flat=True)) == {None, kept.pk}


def test_a_key_of_two_columns_is_read_by_django_where_somebody_listens() -> None:
    (root,) = roots()
    kinds.Pair.objects.create(root=root, number=1)

    assert assert_same(kinds.Root.objects.all()) == {"relations.Root": 1, "relations.Pair": 1}
    assert_same(kinds.Root.objects.all(), kinds.Pair)


def test_a_row_that_a_manager_hides_is_hidden_from_both() -> None:
    (root,) = roots()
    kinds.Veiled.objects.create(root=root)
    kinds.Veiled.objects.create(root=root, visible=False)

    assert assert_same(kinds.Root.objects.all()) is IntegrityError


def test_it_is_known_which_rows_forbid_the_deletion_of_which() -> None:
    free, guarded, deep, restricted = roots(4)
    kinds.Guard.objects.create(root=guarded)
    kinds.DeepGuard.objects.create(branch=kinds.Branch.objects.create(root=deep))
    kinds.Song.objects.create(album=kinds.Album.objects.create(root=restricted), root=None)
    kinds.Song.objects.create(album=kinds.Album.objects.create(root=free), root=free)

    plan = plan_deletion(kinds.Root.objects.all())

    assert plan.forbidden == {guarded.pk, deep.pk, restricted.pk}
    with pytest.raises(models.ProtectedError, match=r"DeepGuard\.branch, Guard\.root") as caught:
        plan.check()
    assert len(caught.value.protected_objects) == 2


@pytest.mark.skipif(not hasattr(models, "DB_CASCADE"), reason="DB_CASCADE came with Django 6.1")
def test_what_the_database_deletes_is_counted_and_left_to_it() -> None:
    newer: Any = kinds  # older versions of Django have no such models
    gone, kept = newer.Plain.objects.create(), newer.Plain.objects.create()
    for plain in (gone, kept):
        above = newer.ByDatabase.objects.create(plain=plain)
        newer.BelowByDatabase.objects.create(above=above)
        newer.NulledByDatabase.objects.create(plain=plain)
    rows = newer.Plain.objects.filter(pk=gone.pk)

    everything = {"relations.Plain": 1, "relations.ByDatabase": 1, "relations.BelowByDatabase": 1}
    assert count_rows(rows) == everything
    with CaptureQueriesContext(connection) as captured:
        assert delete_rows(rows) == {"relations.Plain": 1}
    assert not any("bydatabase" in query["sql"].lower() for query in captured)

    assert newer.ByDatabase.objects.get().plain == kept
    assert newer.BelowByDatabase.objects.count() == 1
    assert set(newer.NulledByDatabase.objects.values_list("plain", flat=True)) == {None, kept.pk}
