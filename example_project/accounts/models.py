"""The shop's users: guests and customers in one table."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models

from anonauth.models import GuestMixin, GuestUserManager


class User(GuestMixin, AbstractUser):
    """A guest who looks around, or a customer with an account."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    objects = GuestUserManager()  # type: ignore[misc]  # the stubs make it a class variable

    def __str__(self) -> str:
        return display_name(self)


def display_name(user: User) -> str:
    """Return what the shop calls this user; the username that a guest was given is for nobody's eyes."""
    if user.is_guest:
        return "Guest"
    given = "Customer" if user.upgraded_at else user.get_username()
    return user.get_full_name() or user.email or given
