"""The user model of the benchmarks."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models

from anonauth.models import GuestMixin, GuestUserManager


class User(GuestMixin, AbstractUser):
    """What most projects have, with a UUID for a key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    objects = GuestUserManager()
