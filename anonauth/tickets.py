"""Merge tickets: signed proof that a guest has just proved an identity that belongs to an existing account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core import signing
from django.utils.crypto import constant_time_compare

SALT = "anonauth.merge_ticket"
VERSION_LENGTH = 24


@dataclass(frozen=True, slots=True)
class MergeTicket:
    """Who wants to be merged into whom, and how he proved that he may."""

    guest_id: str
    account_id: str
    method: str
    guest_version: str
    account_version: str

    def is_current(self, *, guest: Any, account: Any) -> bool:
        """Tell whether the ticket is these users', and neither signed out everywhere nor changed his password since."""
        return (
            (self.guest_id, self.account_id) == (str(guest.pk), str(account.pk))
            and constant_time_compare(self.guest_version, _version(guest))
            and constant_time_compare(self.account_version, _version(account))
        )


def make_merge_ticket(*, guest: Any, account: Any, method: str) -> str:
    """Return a ticket for the guest who has proved, by the method, an identity of the account."""
    return signing.dumps(
        [str(guest.pk), str(account.pk), method, _version(guest), _version(account)], salt=SALT
    )


def read_merge_ticket(ticket: str, *, lifetime: timedelta) -> MergeTicket | None:
    """Return what a ticket says, or None if it is forged or older than its lifetime."""
    try:
        return MergeTicket(*signing.loads(ticket, salt=SALT, max_age=lifetime))
    except signing.BadSignature:
        return None


def _version(user: Any) -> str:
    # Keyed and truncated: the ticket reveals nothing of the hash.
    version: str = user.get_session_auth_hash()
    return version[:VERSION_LENGTH]
