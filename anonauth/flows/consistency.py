"""Whether the flag agrees with what users have proved: no guest holds a credential, no permanent user lacks one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import QuerySet

from anonauth.adapter import PLACEHOLDER_DOMAIN
from anonauth.models import user_database
from anonauth.registry import proof_sources, void_password_sources

#: In the order in which an upgrade is called after them.
KINDS = ("email", "phone", "social", "passkey", "password")
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """A guest with the kinds of credentials that he holds, or a permanent user without any."""

    user: Any
    kinds: tuple[str, ...]


def contradictions() -> Iterator[Finding]:
    """Yield every user whose flag says something else than his credentials; memory is that of a batch.

    A permanent user who is not active may well have no credentials, and is left out.
    """
    for users in _batches():
        kinds = kinds_of(users)
        for user in users:
            held = kinds[user.pk]
            if held if user.is_guest else not held and user.is_active and not _can_get_mail(user):
                yield Finding(user, held)


def kinds_of(users: Sequence[Any]) -> dict[Any, tuple[str, ...]]:
    """Return by key what opens the account of each of these users; some statements for all of them together."""
    held: dict[Any, set[str]] = {user.pk: set() for user in users}
    void = set().union(*(source(users) for source in void_password_sources))
    for user in users:
        if _has_password(user) and user.pk not in void:
            held[user.pk].add("password")
    for source in proof_sources:
        for kind, keys in source(users).items():
            for key in keys:
                held[key].add(kind)
    return {
        key: tuple(sorted(kinds, key=lambda kind: (*KINDS, kind).index(kind)))
        for key, kinds in held.items()
    }


def _batches() -> Iterator[list[Any]]:
    rows: QuerySet[Any] = get_user_model()._base_manager.using(user_database()).order_by("pk")
    users = list(rows[:BATCH])
    while users:
        yield users
        # By key and not by offset: what is deleted or made meanwhile shifts nothing.
        users = list(rows.filter(pk__gt=users[-1].pk)[:BATCH])


def _has_password(user: Any) -> bool:
    # An empty one is usable to Django's has_usable_password(), and opens nothing.
    return bool(user.password) and not user.password.startswith(UNUSABLE_PASSWORD_PREFIX)


def _can_get_mail(user: Any) -> bool:
    # Made before there was a table of addresses: a mail to his own column lets him set a password.
    email = getattr(user, user.get_email_field_name(), None) or ""
    return bool(email) and not email.endswith("@" + PLACEHOLDER_DOMAIN)
