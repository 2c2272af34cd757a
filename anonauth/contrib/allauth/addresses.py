"""Taking over the addresses that a provider vouches for: only verified ones that are nobody else's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.utils import user_email
from django.db import IntegrityError, router, transaction

from anonauth.contrib.allauth.claims import is_free, release


def take_addresses(user: Any, addresses: Iterable[EmailAddress]) -> list[str]:
    """Make a provider's verified and unowned addresses the user's, the first one primary if he has proved none yet.

    An address that another permanent user has, verified or not, stays his: the social account is joined without it.

    Args:
        user: the user; the instance's address changes with the row.
        addresses: what the provider says, as allauth read it; unsaved.

    Returns:
        The addresses taken.
    """
    verified = dict.fromkeys(a.email.lower() for a in addresses if a.email and a.verified)
    return [email for email in verified if is_free(email, user) and _take(user, email)]


def _take(user: Any, email: str) -> bool:
    before = user_email(user)
    try:
        with transaction.atomic(using=router.db_for_write(EmailAddress)):
            release(email, keep=user)
            row, _ = EmailAddress.objects.get_or_create(user=user, email=email)
            row.user = user
            row.verified = True
            row.save(update_fields=["verified"])
            primary = EmailAddress.objects.get_primary(user)
            row.set_as_primary(conditional=primary is not None and primary.verified)
    except IntegrityError:
        # Somebody else proved it a moment ago.
        user_email(user, before)
        return False
    return True
