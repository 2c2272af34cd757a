"""A guest's row handed to allauth as that of a new user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.utils import user_username
from django.db import router, transaction

from anonauth.exceptions import AlreadyPermanent
from anonauth.flows.upgrade import lock


def adopt(guest: Any) -> Any:
    """Return the guest in the state in which allauth expects a new user."""
    user_username(guest, "")  # chosen in the form, or generated from the address
    guest.last_login = None  # tells allauth that this is a sign-up
    return guest


def take_over(guest: Any, suggested: Any) -> Any:
    """Copy to a guest what allauth read of a provider's user; returns the guest."""
    for name in (guest.get_email_field_name(), "first_name", "last_name"):
        if getattr(suggested, name, None):
            setattr(guest, name, getattr(suggested, name))
    user_username(guest, user_username(suggested) or "")
    return guest


@contextmanager
def still_a_guest(user: Any) -> Iterator[None]:
    """Lock the row of a guest while allauth writes the sign-up to it."""
    database = router.db_for_write(type(user))
    with transaction.atomic(using=database):
        # Another tab may have finished a sign-up: this one must not overwrite a permanent account.
        if not lock(user.pk, database).is_guest:
            raise AlreadyPermanent
        # setup_user_email() insists that a new user has none; what he once started to claim is given up.
        EmailAddress.objects.filter(user=user, verified=False).delete()
        yield
