"""The one door in: a visitor becomes a guest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.models.signals import post_save
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

from anonauth import audit
from anonauth.adapter import Adapter, get_adapter
from anonauth.capacity import count_one
from anonauth.exceptions import IdempotencyKeyUsed, InvalidInput, UsernamesExhausted
from anonauth.models import SignInKey, user_database
from anonauth.signals import guest_created

NAME_ATTEMPTS = 5
KEY_FORMAT = re.compile(r"[\x21-\x7e]{16,255}")


@dataclass(frozen=True, slots=True)
class SignInFacts:
    """What is known of the request that made a guest."""

    ip_address: str | None = None
    user_agent: str = ""
    language: str = ""
    credentials: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The guest, and whether this call made the row."""

    user: Any
    created: bool


def find_by_key(key: str) -> Any | None:
    """Return the guest whom an Idempotency-Key made a short while ago, or None.

    Raises:
        InvalidInput: the key is too short to be a secret, or no plain text.
        IdempotencyKeyUsed: that guest was upgraded or banned; a key never opens a permanent user's account.
    """
    # SECURITY: whoever knows the key within the window gets the guest's credentials, so it has to be unguessable.
    if not KEY_FORMAT.fullmatch(key):
        message = gettext("Use 16 to 255 printable characters that nobody can guess, e.g. a UUID.")
        raise InvalidInput({"Idempotency-Key": [{"code": "invalid", "message": message}]})
    row = (
        SignInKey.objects.using(user_database())  # not a replica, which may lag behind
        .select_related("user")
        .filter(pk=_hash(key), expires_at__gt=timezone.now())
        .first()
    )
    if row is None:
        return None
    user: Any = row.user
    if not (user.is_guest and user.is_active):
        raise IdempotencyKeyUsed
    return user


def sign_in(
    *,
    facts: SignInFacts,
    profile: Mapping[str, Any] | None = None,
    key: str | None = None,
    key_window: timedelta = timedelta(minutes=10),
) -> SignedIn:
    """Create a guest, or return the one whom a parallel request with the same key created first.

    Args:
        facts: handed to the receivers of ``guest_created``.
        profile: validated values for :meth:`Adapter.populate`.
        key: an Idempotency-Key that :func:`find_by_key` accepted and did not find.
        key_window: how long the key will find this guest.

    Raises:
        UsernamesExhausted: the adapter kept proposing names that are taken.
        IdempotencyKeyUsed: the parallel request's guest is no guest any more.
        django.db.IntegrityError: any other constraint of the project's user model was broken.
    """
    if key is None:
        return SignedIn(_create(get_adapter(), profile, facts), created=True)
    try:
        with transaction.atomic(using=user_database()):
            user = _create(get_adapter(), profile, facts)
            _remember(key, user, key_window)
    except IntegrityError:
        # The unique key made us wait for the parallel request, and it won.
        winner = find_by_key(key)
        if winner is None:
            raise
        return SignedIn(winner, created=False)
    return SignedIn(user, created=True)


def _create(adapter: Adapter, profile: Mapping[str, Any] | None, facts: SignInFacts) -> Any:
    for _attempt in range(NAME_ATTEMPTS):
        user = adapter.new_guest()
        if profile:
            adapter.populate(user, profile)
            _withhold_rights(user)
        try:
            _insert(user)
        except IntegrityError:
            if not _name_is_taken(user):
                raise
        else:
            transaction.on_commit(
                partial(_announce, user, facts), using=user_database(), robust=True
            )
            return user
    raise UsernamesExhausted


def _insert(user: Any) -> None:
    # One statement needs no transaction of its own; inside another one a savepoint keeps a taken name harmless, and
    # where receivers add rows of their own, or refuse, all or nothing is written.
    database = user_database()
    several = connections[database].in_atomic_block or post_save.has_listeners(type(user))
    with transaction.atomic(using=database) if several else nullcontext():
        user.save(force_insert=True, using=database)


def _withhold_rights(user: Any) -> None:
    # SECURITY: mass assignment. Whatever an adapter's populate() wrote, a new guest has no rights and is a guest.
    user.is_guest = True
    for flag in ("is_staff", "is_superuser"):
        if getattr(user, flag, False):
            setattr(user, flag, False)
    if user.has_usable_password():
        user.set_unusable_password()


def _name_is_taken(user: Any) -> bool:
    model = type(user)
    name = getattr(user, model.USERNAME_FIELD)
    return (
        name is not None
        and model._base_manager.using(user_database())
        .filter(**{model.USERNAME_FIELD: name})
        .exclude(pk=user.pk)
        .exists()
    )


def _remember(key: str, user: Any, window: timedelta) -> None:
    now = timezone.now()
    SignInKey.objects.filter(pk=_hash(key), expires_at__lte=now).delete()
    SignInKey(key_hash=_hash(key), user=user, expires_at=now + window).save(force_insert=True)


def _hash(key: str) -> str:
    return salted_hmac("anonauth.sign_in_key", key, algorithm="sha256").hexdigest()


def _announce(user: Any, facts: SignInFacts) -> None:
    count_one()
    audit.record("guest_created", user_id=str(user.pk), credentials=facts.credentials)
    guest_created.send_robust(sender=type(user), user=user, facts=facts)
