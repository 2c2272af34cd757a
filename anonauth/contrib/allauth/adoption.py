"""A guest's row handed to allauth as that of a new user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.utils import user_username
from django.contrib.auth import SESSION_KEY, get_user_model
from django.db import router, transaction
from django.http import HttpRequest

from anonauth.exceptions import AlreadyPermanent
from anonauth.flows.upgrade import lock

#: Marks the instance of a guest whom the very request at hand signs up; holds the password that his row had then.
ADOPTED = "_anonauth_adopted"


def adopt(guest: Any) -> Any:
    """Return the guest in the state in which allauth expects a new user."""
    user_username(guest, "")  # chosen in the form, or generated from the address
    guest.last_login = None  # tells allauth that this is a sign-up
    setattr(guest, ADOPTED, guest.password)
    return guest


def take_over(guest: Any, suggested: Any) -> Any:
    """Copy to a guest what allauth read of a provider's user; returns the guest."""
    for name in (guest.get_email_field_name(), "first_name", "last_name"):
        if getattr(suggested, name, None):
            setattr(guest, name, getattr(suggested, name))
    user_username(guest, user_username(suggested) or "")
    return guest


def was_upgraded(request: HttpRequest) -> bool:
    """Tell whether the user whom a masked view's session names was a guest and is permanent now."""
    key = request.session.get(SESSION_KEY)
    rows = get_user_model()._base_manager
    return key is not None and rows.filter(pk=key, upgraded_at__isnull=False).exists()


@contextmanager
def still_a_guest(user: Any) -> Iterator[None]:
    """Lock the row of a guest while allauth writes the sign-up to it."""
    database = router.db_for_write(type(user))
    with transaction.atomic(using=database):
        row = lock(user.pk, database)
        # Another tab may have finished a sign-up, or the form was sent twice and the first one is being served: each
        # sign-up writes a password, if only an unusable one. This one must not overwrite what that one made.
        if not row.is_guest or row.password != getattr(user, ADOPTED, row.password):
            raise AlreadyPermanent
        # setup_user_email() insists that a new user has none; what he once started to claim is given up.
        EmailAddress.objects.filter(user=user, verified=False).delete()
        yield
