from __future__ import annotations

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

USER = settings.AUTH_USER_MODEL


class Row(models.Model):
    """What all have in common."""

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.pk}"


class Owned(Row):
    """One of somebody's rows, with some text to carry."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE)
    text = models.CharField(max_length=60)

    class Meta:
        abstract = True


class Address(Owned):
    pass


class Answer(Owned):
    pass


class Bookmark(Owned):
    pass


class Comment(Owned):
    pass


class Download(Owned):
    pass


class Message(Owned):
    pass


class Order(Owned):
    pass


class Visit(Owned):
    pass


class CartItem(Owned):
    """Quantities add up."""

    product = models.IntegerField()
    quantity = models.IntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "product"], name="one_item")]


class Wish(Owned):
    """A wish that the account has already is dropped."""

    product = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "product"], name="one_wish")]


class Team(Row):
    members = models.ManyToManyField(USER)


class Remark(Row):
    """About anything."""

    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.UUIDField(db_index=True)
    about = GenericForeignKey()
    text = models.CharField(max_length=60)
