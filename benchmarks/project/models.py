"""The user model of the benchmarks, and what hangs off it where guests are purged."""

from __future__ import annotations

import os
import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models

from anonauth.contrib.postgres.constraints import RestrictAnonymous, RowSecurity
from anonauth.models import GuestMixin, GuestUserManager

#: BENCH_CASCADE=database lets PostgreSQL delete what hangs off a user (Django 6.1).
ON_DELETE: Any = (
    models.DB_CASCADE if os.environ.get("BENCH_CASCADE") == "database" else models.CASCADE  # type: ignore[attr-defined]
)


class User(GuestMixin, AbstractUser):
    """What most projects have, with a UUID for a key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    objects = GuestUserManager()


class Note(models.Model):
    """Goes with its owner."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, ON_DELETE)
    text = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.text


class Score(models.Model):
    """Goes with its owner, too."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, ON_DELETE)
    points = models.IntegerField(default=0)

    def __str__(self) -> str:
        return str(self.points)


class Event(models.Model):
    """Stays without its owner."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    kind = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.kind


class Row(models.Model):
    """What the pages of the benchmark of row-level security write."""

    title = models.CharField(max_length=100)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.title


class Plain(Row):
    """Without any rule."""


class WithPolicy(Row):
    """Written by permanent users only, as policies say."""

    class Meta:
        constraints = [
            RowSecurity(name="bench_rows"),
            RestrictAnonymous(name="bench_policy", enforce="policy"),
        ]


class WithTrigger(Row):
    """Written by permanent users only, as triggers say."""

    class Meta:
        constraints = [RestrictAnonymous(name="bench_trigger")]
