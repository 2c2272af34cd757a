"""Everything that a deletion has to get right; all of it hangs off ``Root``."""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Root(models.Model):
    code = models.CharField(max_length=20, unique=True, null=True)
    elder = models.ForeignKey("self", models.CASCADE, null=True)
    labels: Any = models.ManyToManyField("Label")
    friends = models.ManyToManyField("self")
    members: Any = models.ManyToManyField("Label", through="Membership", related_name="+")
    comments = GenericRelation("Comment")
    remarks = GenericRelation("Remark")


class Special(Root):
    """Inherits a table."""

    motto = models.CharField(max_length=20, blank=True)


class SpecialThing(models.Model):
    special = models.ForeignKey(Special, models.CASCADE)


class RootProxy(Root):
    class Meta:
        proxy = True


class Label(models.Model):
    pass


class Membership(models.Model):
    root = models.ForeignKey(Root, models.CASCADE)
    label = models.ForeignKey(Label, models.CASCADE)


class Leaf(models.Model):
    root = models.ForeignKey(Root, models.CASCADE)


class Twin(models.Model):
    one = models.ForeignKey(Root, models.CASCADE, related_name="+")
    other = models.ForeignKey(Root, models.CASCADE, null=True, related_name="+")


class ByCode(models.Model):
    root = models.ForeignKey(Root, models.CASCADE, to_field="code", null=True)


class ByCodeBranch(models.Model):
    root = models.ForeignKey(Root, models.CASCADE, to_field="code", null=True)


class ByCodeTwig(models.Model):
    branch = models.ForeignKey(ByCodeBranch, models.CASCADE)


class Pair(models.Model):
    """Has a key of two columns."""

    pk = models.CompositePrimaryKey("root_id", "number")
    root = models.ForeignKey(Root, models.CASCADE)
    number = models.IntegerField()


class Branch(models.Model):
    root = models.ForeignKey(Root, models.CASCADE)


class BranchProxy(Branch):
    class Meta:
        proxy = True


class Twig(models.Model):
    branch = models.ForeignKey(BranchProxy, models.CASCADE)


class Watched(models.Model):
    """Tests listen to its deletion."""

    root = models.ForeignKey(Root, models.CASCADE)


class Node(models.Model):
    """A tree, or a circle."""

    root = models.ForeignKey(Root, models.CASCADE, null=True)
    above = models.ForeignKey("self", models.CASCADE, null=True)


class Left(models.Model):
    root = models.ForeignKey(Root, models.CASCADE)
    right = models.ForeignKey("Right", models.CASCADE, null=True, related_name="+")


class Right(models.Model):
    left = models.ForeignKey(Left, models.CASCADE, related_name="+")


class Animal(models.Model):
    root = models.ForeignKey(Root, models.CASCADE)


class Dog(Animal):
    pass


class Bone(models.Model):
    dog = models.ForeignKey(Dog, models.CASCADE)


class Commented(models.Model):
    """Nothing refers to it by a foreign key, and yet it is no leaf."""

    root = models.ForeignKey(Root, models.CASCADE)
    comments = GenericRelation("Comment")


class Base(models.Model):
    pass


class Derived(Base):
    """Neither is this one: a row of another table goes with it."""

    root = models.ForeignKey(Root, models.CASCADE)


class Guard(models.Model):
    root = models.ForeignKey(Root, models.PROTECT, null=True)


class DeepGuard(models.Model):
    branch = models.ForeignKey(Branch, models.PROTECT)


class Album(models.Model):
    root = models.ForeignKey(Root, models.CASCADE)


class Song(models.Model):
    """Restricted by its album, unless it goes with the root anyway (Django's own example)."""

    album = models.ForeignKey(Album, models.RESTRICT)
    root = models.ForeignKey(Root, models.CASCADE, null=True)


class SongWithVerses(models.Model):
    """The same, but with rows of its own."""

    album = models.ForeignKey(Album, models.RESTRICT)
    root = models.ForeignKey(Root, models.CASCADE, null=True)


class Verse(models.Model):
    song = models.ForeignKey(SongWithVerses, models.CASCADE)


def last_resort() -> Any:
    """Return the root that takes over what is orphaned."""
    return Root.objects.get_or_create(code="last-resort")[0]


class Nulled(models.Model):
    root = models.ForeignKey(Root, models.SET_NULL, null=True)


class Defaulted(models.Model):
    root = models.ForeignKey(Root, models.SET_DEFAULT, null=True, default=None)


class Valued(models.Model):
    root = models.ForeignKey(Root, models.SET(None), null=True)


class Adopted(models.Model):
    root = models.ForeignKey(Root, models.SET(last_resort), null=True)


class Ignored(models.Model):
    root = models.ForeignKey(Root, models.DO_NOTHING, db_constraint=False)


class Comment(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=40)
    owner = GenericForeignKey()


class Remark(models.Model):
    """The same with an integer, and with rows of its own."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.IntegerField()
    owner = GenericForeignKey()


class Reply(models.Model):
    remark = models.ForeignKey(Remark, models.CASCADE)


class VisibleManager(models.Manager["Veiled"]):
    def get_queryset(self) -> models.QuerySet[Veiled]:
        return super().get_queryset().filter(visible=True).order_by("-pk").select_related("root")


class Veiled(models.Model):
    """Hides rows from Django's collector too."""

    root = models.ForeignKey(Root, models.CASCADE)
    visible = models.BooleanField(default=True)
    objects = models.Manager()
    shown = VisibleManager()

    class Meta:
        base_manager_name = "shown"


def hand_over(collector: Any, field: Any, rows: Any, using: str) -> None:
    """Be an ``on_delete`` of the project's own."""
    models.SET_NULL(collector, field, rows, using)


class OddRoot(models.Model):
    pass


class Odd(models.Model):
    root = models.ForeignKey(OddRoot, hand_over, null=True)


class OddLeaf(models.Model):
    root = models.ForeignKey(OddRoot, models.CASCADE)


class OddGuard(models.Model):
    root = models.ForeignKey(OddRoot, models.PROTECT)


if hasattr(models, "DB_CASCADE"):  # Django 6.1

    class Plain(models.Model):
        """Lets the database delete and change."""

    class ByDatabase(models.Model):
        plain = models.ForeignKey(Plain, models.DB_CASCADE)

    class BelowByDatabase(models.Model):
        above = models.ForeignKey(ByDatabase, models.DB_CASCADE)

    class NulledByDatabase(models.Model):
        plain = models.ForeignKey(Plain, models.DB_SET_NULL, null=True)
