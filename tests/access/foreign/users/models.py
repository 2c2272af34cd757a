from __future__ import annotations

from django.contrib.auth.models import AbstractUser

from anonauth.models import GuestMixin, GuestUserManager


class User(GuestMixin, AbstractUser):
    """What a project of these packages would have."""

    objects = GuestUserManager()
