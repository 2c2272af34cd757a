"""Somebody else than the guest says who he is: staff in the admin, or what the tables hold already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext

from anonauth.exceptions import InvalidInput, MethodUnavailable, NotAnonymous, UserInactive
from anonauth.flows.upgrade import lock, upgrade
from anonauth.models import user_database
from anonauth.registry import address_writers, vouched_hooks

#: How the statistics call an upgrade that staff made.
METHOD = "admin"


def vouch(user: Any, *, kinds: Sequence[str], method: str) -> bool:
    """Upgrade a guest whose proof is there, without his having brought it himself.

    SECURITY: pre-hijacking. Whoever started as this guest may be another person than the one whose address it is, so
    what he left on the row and never proved, e.g. a password, is taken off it; all his sessions and tokens end.

    Args:
        user: the guest; the instance changes with the row.
        kinds: the proofs that there are, e.g. ``["email"]``.
        method: for the signal and the statistics.

    Returns:
        False if he was permanent already.

    Raises:
        UserNotFound, UserInactive
    """
    database = user_database()
    with transaction.atomic(using=database):
        row = lock(user.pk, database)
        if row.is_guest and row.is_active:
            for take_off in vouched_hooks:
                take_off(row, kinds)
        return upgrade(user, method=method)


def vouch_for_address(*, user_id: Any, email: str) -> Any:
    """Make an address the guest's and the guest permanent; returns the user.

    Without an app that keeps addresses (``anonauth.contrib.allauth``) it is written to the user's own column.

    Args:
        user_id: the primary key.
        email: as staff typed it.

    Raises:
        InvalidInput: the address is none, or an account has it; merging is the way then.
        MethodUnavailable: users have no address here.
        NotAnonymous: he is permanent already.
        UserNotFound, UserInactive
    """
    database = user_database()
    with transaction.atomic(using=database):
        row = lock(user_id, database)
        if not row.is_active:
            raise UserInactive
        if not row.is_guest:
            raise NotAnonymous
        for write in address_writers or [_write_to_column]:
            write(row, email)
        upgrade(row, method=METHOD)
    return row


def taken() -> InvalidInput:
    """Return the refusal of an address that is an account's."""
    message = gettext("An account has this address; merge the guest into it.")
    return InvalidInput({"email": [{"code": "taken", "message": message}]})


def _write_to_column(guest: Any, email: str) -> None:
    try:
        guest._meta.get_field(guest.get_email_field_name())
    except FieldDoesNotExist as error:
        raise MethodUnavailable from error
    try:
        validate_email(email)
    except ValidationError as error:
        fault = {"code": "invalid", "message": error.messages[0]}
        raise InvalidInput({"email": [fault]}) from error
    column = guest.get_email_field_name()
    rows = get_user_model()._base_manager.using(user_database())
    if rows.filter(**{f"{column}__iexact": email}, is_guest=False).exists():
        raise taken()
    rows.filter(pk=guest.pk).update(**{column: email, "password": make_password(None)})
    setattr(guest, column, email)
