from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models

from anonauth.models import GuestMixin, GuestUserManager


class User(GuestMixin, AbstractUser):
    """What most projects have, with a UUID for a key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    nickname = models.CharField(max_length=50, blank=True)
    phone = models.CharField(max_length=32, null=True, blank=True, unique=True)
    phone_verified = models.BooleanField(default=False)
    invited_by = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True)
    friends = models.ManyToManyField("self", blank=True)

    objects: ClassVar[GuestUserManager[User]] = GuestUserManager()  # type: ignore[assignment]


class Note(models.Model):
    """Goes with its owner."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.text


class Receipt(models.Model):
    """Keeps its owner from being deleted."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    number = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return str(self.number)


class Tag(models.Model):
    """Shared by many users."""

    name = models.CharField(max_length=50, unique=True)
    users = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="tags", blank=True)

    def __str__(self) -> str:
        return self.name
