from __future__ import annotations

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models

from anonauth.models import GuestMixin
from tests.projects.managers import UserManager


class User(GuestMixin, AbstractBaseUser):
    uid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    handle = models.CharField(max_length=40, unique=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "handle"

    objects = UserManager()
