"""What the database does not allow when a column changes is read from the models, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models
from django.db.models import CheckConstraint, Deferrable, F, Q, UniqueConstraint
from django.db.models.functions import Coalesce, Lower
from django.test.utils import isolate_apps

from anonauth.merging.constraints import UniqueKey, checks, names_in, substitute, unique_keys
from tests.belongings import models as m


class Loose(models.Model):
    """Belongs to no app that is installed."""

    user = models.IntegerField()
    number = models.IntegerField()

    class Meta:
        abstract = True
        app_label = "tests"

    def __str__(self) -> str:
        return str(self.pk)


def keys(model: Any, name: str = "user") -> dict[str, UniqueKey]:
    return {key.name: key for key in unique_keys(model, model._meta.get_field(name))}


def test_a_one_to_one_is_unique_by_itself() -> None:
    assert keys(m.Profile)["user"].parts == ("user_id",)
    assert keys(m.LoyaltyCard)["user"].parts == ("user_id",)


def test_unique_together_and_unique_constraints_are_keys_with_their_names() -> None:
    assert keys(m.Review)["user_product"].parts == ("user_id", "product")
    assert keys(m.CartItem)["one_cart_item"].parts == ("user_id", "product")


def test_a_column_given_as_an_expression_is_a_column() -> None:
    key = keys(m.Membership)["one_membership"]

    assert key.parts == ("user_id", "club_id")
    assert key.is_plain


def test_conditions_expressions_and_the_order_of_an_index_are_kept_apart() -> None:
    by_default, by_label = keys(m.Address).values()

    assert by_default.parts == ("user_id",)
    assert by_default.condition == Q(is_default=True)
    assert by_label.parts[0] == "user_id"
    assert isinstance(by_label.parts[1], Lower)
    assert not by_label.is_plain


def test_empty_fields_are_values_where_the_constraint_says_so() -> None:
    assert keys(m.Seat)["one_seat"].nulls_distinct is False
    assert keys(m.CartItem)["one_cart_item"].nulls_distinct is True


def test_a_primary_key_of_several_columns_is_a_key() -> None:
    assert keys(m.Slot)["pk"].parts == ("user_id", "number")


def test_a_key_without_the_column_does_not_matter() -> None:
    assert keys(m.LoyaltyCard).keys() == {"user"}  # its code is unique too
    assert keys(m.Note, "author") == {}


def test_a_column_inside_of_an_expression_is_hidden_in_it() -> None:
    assert keys(m.Tie, "one")["one_tie"].hides("one_id")
    assert not keys(m.Address)["one_label"].hides("user_id")


@isolate_apps("tests")
def test_what_an_index_covers_and_when_it_is_checked_changes_no_key() -> None:
    class Thing(Loose):
        class Meta(Loose.Meta):
            constraints = [
                UniqueConstraint(fields=["user"], include=["number"], name="covering"),
                UniqueConstraint(fields=["user"], deferrable=Deferrable.DEFERRED, name="late"),
                UniqueConstraint(F("user").desc(), Lower("number").asc(), name="ordered"),
                UniqueConstraint(fields=["number"], condition=Q(user__gt=0), name="not_part"),
            ]

    found = keys(Thing)

    assert found.keys() == {"covering", "late", "ordered"}
    assert found["covering"].parts == found["late"].parts == ("user",)
    assert found["ordered"].parts[0] == "user"
    assert isinstance(found["ordered"].parts[1], Lower)


def test_check_constraints_that_look_at_the_column_are_found() -> None:
    for name in ("follower", "followed"):
        (check,) = checks(m.Follow, m.Follow._meta.get_field(name))
        assert check.name == "one_no_mirror"
    assert checks(m.CartItem, m.CartItem._meta.get_field("user")) == ()


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        (Q(user=1, other__gt=F("third")), {"user", "other", "third"}),
        (~(Q(user=1) | Q(other__isnull=True)), {"user", "other"}),
        (Coalesce("user", F("other")), {"user", "other"}),
        (Q(Lower("user")), {"user"}),
        (models.lookups.Exact(F("user"), 1), {"user"}),
        (Q(user=Lower("label__x")), {"user", "label"}),
    ],
)
def test_the_columns_that_an_expression_looks_at(expression: Any, names: set[str]) -> None:
    assert set(names_in(expression)) == names


def test_in_a_condition_a_column_gets_the_value_that_it_will_have() -> None:
    columns = {"user": models.Value(7), "user_id": models.Value(7)}
    condition = ~Q(user__gt=1) | Q(other=F("user"))

    found = substitute(condition, columns)

    assert found == ~Q(anonauth_moved_user__gt=1) | Q(other=models.Value(7))
    assert condition == ~Q(user__gt=1) | Q(other=F("user"))
    assert substitute(F("user"), columns) == models.Value(7)
    assert substitute("plain", columns) == "plain"


@isolate_apps("tests")
def test_check_constraints_of_other_columns_do_not_matter() -> None:
    class Thing(Loose):
        class Meta(Loose.Meta):
            constraints = [
                CheckConstraint(condition=Q(number__gt=0), name="number"),
                CheckConstraint(condition=Q(number__gt=F("user")), name="both"),
            ]

    assert [check.name for check in checks(Thing, Thing._meta.get_field("user"))] == ["both"]
