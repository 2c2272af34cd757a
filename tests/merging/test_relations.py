"""Everything that points at a user is found, whatever its kind, under a name that says where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.test.utils import CaptureQueriesContext, isolate_apps

from anonauth.merging import relations
from anonauth.merging.relations import UserRelation, explicit_links, user_relations
from tests.belongings import models as m
from tests.testapp.models import User


class Loose(models.Model):
    """Belongs to no app that is installed."""

    class Meta:
        abstract = True
        app_label = "tests"

    def __str__(self) -> str:
        return str(self.pk)


def found() -> dict[str, UserRelation]:
    return {relation.name: relation for relation in user_relations()}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("belongings.Note.author", "foreign_key"),
        ("belongings.Note.editor", "foreign_key"),  # to a proxy of the user model
        ("belongings.Handle.owner", "foreign_key"),  # to_field
        ("belongings.Profile.user", "one_to_one"),
        ("belongings.LoyaltyCard.user", "same_key"),  # the one-to-one is the primary key
        ("belongings.Stamp.card", "foreign_key"),  # to a row with the user's key
        ("belongings.Customer.user_ptr", "same_key"),  # multi-table inheritance, child
        ("belongings.Contract.customer", "foreign_key"),
        ("belongings.Thesis.reader", "one_to_one"),  # declared by a child of another table
        ("belongings.Team.members", "many_to_many"),
        ("belongings.Membership.user", "foreign_key"),  # explicit through
        ("belongings.Remark.about", "generic"),
        ("belongings.Like.thing", "generic"),
        ("belongings.Slot.user", "foreign_key"),  # a part of the primary key
        ("belongings.Statistic.user", "foreign_key"),  # unmanaged
        ("belongings.OwnPlugin.user", "foreign_key"),
        ("testapp.User.invited_by", "foreign_key"),  # users who point at users
        ("testapp.User.friends", "many_to_many"),
        ("testapp.User.friends:reverse", "many_to_many"),
        ("testapp.User.groups", "many_to_many"),
        ("testapp.Tag.users", "many_to_many"),
        ("belongings.Follow.follower", "foreign_key"),
        ("belongings.Follow.followed", "foreign_key"),
    ],
)
def test_a_relation_is_found_with_its_kind(name: str, kind: str) -> None:
    assert found()[name].kind == kind


def test_no_relation_is_found_twice() -> None:
    names = [relation.name for relation in user_relations()]

    assert len(names) == len(set(names))
    places = [(r.model, r.column, r.type_field) for r in user_relations()]
    assert len(places) == len(set(places))


def test_what_is_swapped_out_or_hangs_on_another_column_is_no_relation() -> None:
    assert not {"belongings.Plugin.user", "belongings.Punch.card"} & set(found())


def test_what_holds_a_user_together_is_no_relation_of_his() -> None:
    # testapp.User has no parent with a table; a child is a relation, since a guest may have become one.
    assert "belongings.Customer.user_ptr" in found()
    assert "belongings.Buyer.user_ptr" not in found()


@pytest.mark.django_db
def test_values_of_a_user_are_those_that_the_column_holds() -> None:
    user = User.objects.create(username="ada")

    assert found()["belongings.Note.author"].value_of(user) == user.pk
    assert found()["belongings.Handle.owner"].value_of(user) == "ada"
    assert found()["belongings.Remark.about"].value_of(user) == str(user.pk)
    assert found()["belongings.Like.thing"].value_of(user) == user.pk


def test_a_generic_column_that_cannot_hold_the_key_holds_nobody() -> None:
    relation = replace(found()["belongings.Remark.about"], field=models.IntegerField())

    assert relation.value_of(User()) is None


@pytest.mark.django_db
def test_generic_rows_are_those_that_name_a_user_by_any_of_his_models() -> None:
    for model in (User, m.Buyer, m.Customer, m.LoyaltyCard, m.Order):
        kind = ContentType.objects.get_for_model(model, for_concrete_model=False)
        m.Like.objects.create(kind=kind, key=User().pk, mood=1)

    rows = found()["belongings.Like.thing"].rows("default")

    kinds = {row.kind.model for row in rows.select_related("kind")}
    assert kinds == {"user", "buyer", "customer", "loyaltycard"}


@pytest.mark.django_db
def test_a_model_without_a_content_type_is_passed_over_and_none_is_made() -> None:
    ContentType.objects.filter(model="buyer").delete()
    ContentType.objects.clear_cache()

    with CaptureQueriesContext(connection) as queries:
        kinds = list(relations.type_keys([m.Buyer, User]))

    assert kinds == [ContentType.objects.get_for_model(User).pk]
    assert not [q["sql"] for q in queries if "INSERT" in q["sql"]]


@pytest.mark.django_db
def test_rows_that_a_manager_hides_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    note = m.Note.objects.create(author=User.objects.create(username="ada"))
    hiding = m.Note.objects.none()
    monkeypatch.setattr(m.Note._base_manager, "get_queryset", lambda: hiding)
    assert not m.Note._base_manager.all()

    assert list(found()["belongings.Note.author"].rows("default")) == [note]


def test_a_field_with_a_table_of_its_own_stands_for_the_columns_of_that_table() -> None:
    assert explicit_links(User) == {"belongings.Club.members": ("belongings.Membership.user",)}


def test_parents_come_before_what_a_delete_of_them_takes_along() -> None:
    order = [relation.name for relation in user_relations()]

    for parent, child in [
        ("belongings.CartItem.user", "belongings.Option.chosen_by"),
        ("belongings.CartItem.user", "belongings.Gift.user"),
        ("belongings.Paper.user", "belongings.Thesis.reader"),
        ("belongings.Address.user", "belongings.LoyaltyCard.user"),
        ("belongings.Stamp.card", "belongings.LoyaltyCard.user"),
        ("belongings.Contract.customer", "belongings.Customer.user_ptr"),
    ]:
        assert order.index(parent) < order.index(child)


def test_only_rows_that_are_users_are_kept_from_deletion() -> None:
    of_users = {relation.name for relation in user_relations() if relation.of_users}

    assert of_users == {
        "testapp.User.invited_by",
        "belongings.Customer.advisor",
        "belongings.Customer.partner",
    }


def _names(user_model: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, UserRelation]:
    monkeypatch.setattr(relations, "get_user_model", lambda: user_model)
    return {r.name: r for r in user_relations() if r.name.startswith("tests.")}


@isolate_apps("tests")
def test_relations_to_the_parents_of_the_user_model_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Being(Loose):
        pass

    class Person(Being):
        code = models.CharField(max_length=5, unique=True)

    class Member(Person, AbstractBaseUser):
        pass

    class Letter(Loose):
        to = models.ForeignKey(Person, on_delete=models.CASCADE)
        about = models.ForeignKey(Being, on_delete=models.CASCADE, related_name="+")
        by_code = models.ForeignKey(
            Person, to_field="code", on_delete=models.CASCADE, related_name="+"
        )

    class Elder(Member):
        pass

    class Chief(Elder):
        pass

    names = _names(Member, monkeypatch)

    assert set(names) == {
        "tests.Letter.about",
        "tests.Letter.by_code",
        "tests.Letter.to",
        "tests.Elder.member_ptr",
        "tests.Chief.elder_ptr",
    }
    member = Member(pk=7, code="x")
    assert names["tests.Letter.to"].value_of(member) == 7
    assert names["tests.Letter.by_code"].value_of(member) == "x"
    assert names["tests.Chief.elder_ptr"].kind == "same_key"


@isolate_apps("tests")
def test_what_hangs_on_a_profile_whose_key_is_the_users_name_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Member(Loose, AbstractBaseUser):
        name = models.CharField(max_length=5, unique=True)
        USERNAME_FIELD = "name"

    class Page(Loose):
        owner = models.OneToOneField(
            Member, to_field="name", primary_key=True, on_delete=models.CASCADE
        )

    class Line(Loose):
        page = models.ForeignKey(Page, on_delete=models.CASCADE)

    names = _names(Member, monkeypatch)

    assert {name: relation.kind for name, relation in names.items()} == {
        "tests.Page.owner": "same_key",
        "tests.Line.page": "foreign_key",
    }
    assert names["tests.Line.page"].value_of(Member(name="ada")) == "ada"


@isolate_apps("tests")
def test_a_parent_link_beside_a_key_of_its_own_holds_a_user_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Person(Loose):
        pass

    class Member(Person, AbstractBaseUser):
        number = models.AutoField(primary_key=True)
        person = models.OneToOneField(Person, parent_link=True, on_delete=models.CASCADE)

    assert _names(Member, monkeypatch) == {}


@isolate_apps("tests")
def test_users_linked_to_users_by_one_table_are_two_relations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Member(Loose, AbstractBaseUser):
        knows = models.ManyToManyField("self", symmetrical=False)
        wrote = models.ManyToManyField("self", through="Message")

    class Message(Loose):
        sender = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
        receiver = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")

    names = _names(Member, monkeypatch)

    assert set(names) == {
        "tests.Member.knows",
        "tests.Member.knows:reverse",
        "tests.Message.sender",
        "tests.Message.receiver",
    }
    assert names["tests.Member.knows"].links_users
    assert names["tests.Member.knows:reverse"].links_users
