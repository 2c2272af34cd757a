"""A manager of the projects' own, as projects without a username have one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import BaseUserManager

from anonauth.models import GuestManagerMixin


class UserManager(GuestManagerMixin[Any], BaseUserManager[Any]):
    def create_user(self, password: str | None = None, **fields: Any) -> Any:
        user = self.model(**fields)
        user.set_password(password)
        user.save(using=self._db)
        return user
