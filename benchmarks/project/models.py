"""The user model of the benchmarks."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models

from anonauth.contrib.postgres.constraints import RestrictAnonymous, RowSecurity
from anonauth.models import GuestMixin, GuestUserManager


class User(GuestMixin, AbstractUser):
    """What most projects have, with a UUID for a key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    objects = GuestUserManager()


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
