from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.functions import Greatest, Least, Lower

from tests.testapp.models import User

USER = settings.AUTH_USER_MODEL


class Customer(User):
    """A child of the user model in multi-table inheritance."""

    number = models.CharField(max_length=20, unique=True)
    advisor = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    partner = models.OneToOneField(USER, on_delete=models.CASCADE, null=True, related_name="+")

    class Meta:
        verbose_name = (
            "customer"  # without a Meta of its own it would inherit the index of its parent
        )


class Buyer(User):
    """A proxy of the user model."""

    class Meta:
        proxy = True


class Row(models.Model):
    """What all have in common."""

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.pk}"


class Note(Row):
    """Plain foreign keys, two of them, one to a proxy."""

    author = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    editor = models.ForeignKey(Buyer, on_delete=models.SET_NULL, null=True, related_name="+")


class CartItem(Row):
    """One row for each product."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    product = models.IntegerField()
    quantity = models.PositiveIntegerField(default=1)
    added_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "product"], name="one_cart_item")]


class Option(Row):
    """Hangs on a cart item, and on a user as well."""

    item = models.ForeignKey(CartItem, on_delete=models.CASCADE, related_name="+")
    chosen_by = models.ForeignKey(USER, on_delete=models.CASCADE, null=True, related_name="+")


class Gift(Row):
    """Outlives the cart item that it came with."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    item = models.ForeignKey(CartItem, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(item__isnull=True), name="one_gift_without_item"
            )
        ]


class Invoice(Row):
    """Keeps a cart item from being deleted."""

    item = models.ForeignKey(CartItem, on_delete=models.PROTECT, related_name="+")


class Review(Row):
    """``unique_together``, the old way."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    product = models.IntegerField()

    class Meta:
        unique_together = [("user", "product")]


class Order(Row):
    """Keeps its owner from being deleted."""

    user = models.ForeignKey(USER, on_delete=models.PROTECT, related_name="+")


class Profile(Row):
    """A one-to-one with a key of its own."""

    user = models.OneToOneField(USER, on_delete=models.CASCADE, related_name="+")
    color = models.CharField(max_length=20, blank=True)


class LoyaltyCard(Row):
    """A one-to-one that is the primary key."""

    user = models.OneToOneField(USER, on_delete=models.CASCADE, primary_key=True, related_name="+")
    color = models.CharField(max_length=20, blank=True)
    code = models.IntegerField(unique=True, null=True)


class Stamp(Row):
    """Hangs on a loyalty card, and so on its user."""

    card = models.ForeignKey(LoyaltyCard, on_delete=models.CASCADE, related_name="+")


class Punch(Row):
    """Hangs on a loyalty card by its code, and not on its user."""

    card = models.ForeignKey(
        LoyaltyCard, to_field="code", on_delete=models.CASCADE, related_name="+"
    )


class Contract(Row):
    """Hangs on a customer, and so on his user."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")


class Team(Row):
    """Linked by a table that Django makes."""

    members: models.ManyToManyField[User, Any] = models.ManyToManyField(USER, related_name="teams")


class Club(Row):
    """Linked by a table of its own."""

    members: models.ManyToManyField[User, Any] = models.ManyToManyField(
        USER, through="Membership", related_name="clubs"
    )


class Membership(Row):
    """A link that says more."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    club = models.ForeignKey(Club, on_delete=models.CASCADE, related_name="+")
    since = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint("user", "club", name="one_membership")]


class Remark(Row):
    """About anything: a generic foreign key."""

    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.CharField(max_length=64)
    about = GenericForeignKey()


class Like(Row):
    """A generic foreign key of unusual names, once for each thing."""

    kind = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="+")
    key = models.UUIDField()
    thing = GenericForeignKey("kind", "key", for_concrete_model=False)
    mood = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key", "mood"], name="one_like")]


class Handle(Row):
    """Points at the user's name instead of his key."""

    owner = models.ForeignKey(USER, to_field="username", on_delete=models.CASCADE, related_name="+")


class Follow(Row):
    """Two users in one row, each pair once, and nobody with himself."""

    follower = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    followed = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["follower", "followed"], name="one_follow"),
            models.CheckConstraint(
                condition=~models.Q(follower=models.F("followed")), name="one_no_mirror"
            ),
        ]


class Referral(Row):
    """Nobody refers himself; whom he has referred may be unknown."""

    by = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    of = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(by=models.F("of")), name="one_other_referral"
            )
        ]


class Tie(Row):
    """Two users in any order."""

    one = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    other = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(Least("one", "other"), Greatest("one", "other"), name="one_tie")
        ]


class Comment(Row):
    """Below other comments."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    above = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="+")
    number = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "number"], name="one_comment")]


class Paper(Row):
    """Its children have tables of their own."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    number = models.IntegerField()

    class Meta:
        unique_together = [("user", "number")]


class Thesis(Paper):
    """A paper that somebody reads."""

    reader = models.OneToOneField(USER, on_delete=models.CASCADE, null=True, related_name="+")

    class Meta:
        verbose_name = "thesis"


class Plugin(Row):
    """Replaced by another model."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")

    class Meta:
        swappable = "BELONGINGS_PLUGIN_MODEL"


class OwnPlugin(Row):
    """Replaces the plugin."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")


class Address(Row):
    """A condition and an expression."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    remarks = GenericRelation(Remark)
    label = models.CharField(max_length=20)
    is_default = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(is_default=True),
                name="one_default_address",
            ),
            models.UniqueConstraint("user", Lower("label"), name="one_label"),
        ]


class Seat(Row):
    """An empty field is a value like any other."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, null=True, related_name="+")
    number = models.IntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "number"], nulls_distinct=False, name="one_seat"
            )
        ]


class Slot(models.Model):
    """A primary key of two columns."""

    pk = models.CompositePrimaryKey("user_id", "number")
    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    number = models.IntegerField()

    def __str__(self) -> str:
        return f"Slot {self.number}"


class Statistic(Row):
    """A view, for all that Django knows."""

    user = models.ForeignKey(USER, on_delete=models.DO_NOTHING, related_name="+")

    class Meta:
        managed = False
