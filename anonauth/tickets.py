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
        return self.is_guests(guest) and self.is_accounts(account)

    def is_guests(self, guest: Any) -> bool:
        """Tell the same of the guest alone."""
        return is_version(self.guest_version, of=guest) and self.guest_id == str(guest.pk)

    def is_accounts(self, account: Any) -> bool:
        """Tell the same of the account alone."""
        return is_version(self.account_version, of=account) and self.account_id == str(account.pk)


def make_merge_ticket(*, guest: Any, account: Any, method: str) -> str:
    """Return a ticket for the guest who has proved, by the method, an identity of the account."""
    return signing.dumps(
        [str(guest.pk), str(account.pk), method, version_of(guest), version_of(account)], salt=SALT
    )


def read_merge_ticket(ticket: str, *, lifetime: timedelta) -> MergeTicket | None:
    """Return what a ticket says, or None if it is forged or older than its lifetime."""
    try:
        return MergeTicket(*signing.loads(ticket, salt=SALT, max_age=lifetime))
    except signing.BadSignature:
        return None


def version_of(user: Any) -> str:
    """Return what changes when a user's credentials end; keyed and truncated, it reveals nothing of the hash."""
    version: str = user.get_session_auth_hash()
    return version[:VERSION_LENGTH]


def is_version(version: str, *, of: Any) -> bool:
    """Tell whether no credential of a user has ended since his version was taken."""
    return constant_time_compare(version, version_of(of))
