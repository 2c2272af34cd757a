"""A permanent user without a password, e.g. after a social upgrade, sets his first one."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.signals import password_set
from django.db import transaction
from django.http import HttpRequest

from anonauth.contrib.allauth.flows.codes import faults_of
from anonauth.exceptions import PasswordExists, UserInactive
from anonauth.flows.sign_out import sign_out_everywhere
from anonauth.flows.upgrade import lock
from anonauth.models import user_database


def set_first_password(request: HttpRequest, *, user: Any, password: str) -> None:
    """Set the password of a user who has none, and end all his credentials; renewing the one at hand is for the caller.

    Args:
        request: for allauth's signal, and the notification where the project has them.
        user: a permanent user; the instance changes with the row.
        password: as typed.

    Raises:
        PasswordExists: changing it asks for the old one; allauth's pages do that.
        InvalidInput: the project's validators refuse it.
        UserNotFound, UserInactive
    """
    if user.has_usable_password():
        raise PasswordExists
    adapter = get_adapter(request)
    with faults_of("password"):
        password = adapter.clean_password(password, user=user)
    with transaction.atomic(using=user_database()):
        # The adapter saves the whole instance, so it gets the fresh row.
        row = lock(user.pk, user_database())
        if not row.is_active:
            raise UserInactive
        if row.has_usable_password():
            raise PasswordExists
        adapter.set_password(row, password)
        user.password = row.password
        sign_out_everywhere(user)
        transaction.on_commit(partial(_announce, request, user), using=user_database(), robust=True)


def _announce(request: HttpRequest, user: Any) -> None:
    password_set.send(sender=type(user), request=request, user=user)
    get_adapter(request).send_notification_mail("account/email/password_set", user)
