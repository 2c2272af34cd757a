from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

USER = settings.AUTH_USER_MODEL


class Thing(models.Model):
    owner = models.ForeignKey(USER, on_delete=models.CASCADE)
    number = models.IntegerField()
    amount = models.IntegerField(default=1)
    shared_with: Any = models.ManyToManyField(USER, related_name="+")

    class Meta:
        unique_together = [("owner", "number")]

    def __str__(self) -> str:
        return str(self.number)


class Label(models.Model):
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.CharField(max_length=64)
    about = GenericForeignKey()

    def __str__(self) -> str:
        return self.object_id


class Counter(models.Model):
    """Cannot be about users whose keys are no numbers."""

    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.IntegerField()
    about = GenericForeignKey()

    def __str__(self) -> str:
        return str(self.object_id)
