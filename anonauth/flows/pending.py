"""A guest proves an address by a code: asked for, sent, typed, used once.

Nothing is written to the user before the proof, and nobody is kept from using the address meanwhile.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Min, QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from anonauth.exceptions import (
    CodeIncorrect,
    DeliveryFailed,
    NoPendingUpgrade,
    NotAnonymous,
    RateLimited,
    UserInactive,
)
from anonauth.flows.upgrade import lock
from anonauth.models import PendingUpgrade, user_database

logger = logging.getLogger("anonauth")

#: What a delivery that failed gives back to the pending that was replaced; its attempts stay counted.
RESTORED = ("target", "code_hash", "password", "name", "sent_at", "expires_at")
_OUR_SIDE = {"builtins", "django", "allauth", "anonauth"}


@dataclass(frozen=True, slots=True)
class CodeRules:
    """How long a code lives, how often it may be typed wrongly, and how often one is sent."""

    lifetime: timedelta
    attempts: int
    interval: timedelta
    per_address: int


def start(
    user: Any,
    *,
    method: str,
    target: str,
    code: str,
    send: Callable[[], None],
    rules: CodeRules,
    password: str = "",
    name: str = "",
) -> None:
    """Remember what a guest wants to prove and send him the code; replaces what he asked for before.

    Must not be called in a transaction: ``send`` waits for the network.

    Args:
        user: the guest.
        method: ``"email"`` or ``"phone"``.
        target: the normalized address.
        code: what will have to be typed; only a keyed hash of it is stored.
        send: delivers the code.
        rules: the settings in force.
        password: a hash, not the password.
        name: for the user's row, after the proof.

    Raises:
        RateLimited: too soon after the last code, too many wrong ones, or too many guests wait at this address.
        DeliveryFailed: the network failed; what was pending before is pending again.
        UserNotFound, UserInactive, NotAnonymous
    """
    now = timezone.now()
    wanted: dict[str, Any] = {
        "target": target,
        "code_hash": _hash(user, method, target, code),
        "password": password,
        "name": name,
        "sent_at": now,
        "expires_at": now + rules.lifetime,
    }
    before = _reserve(user, method, wanted, rules=rules, now=now)
    try:
        _check_address(method, target, rules=rules, now=now)
        send()
    except BaseException as error:
        _withdraw(user, method, wanted["code_hash"], before)
        if isinstance(error, Exception) and _is_outage(error):
            # Only the kind of failure: its text may quote the message, and with it the code.
            logger.error("A code could not be sent by %s: %s", method, type(error).__name__)
            raise DeliveryFailed from error
        raise


def find(user: Any, *, method: str) -> PendingUpgrade:
    """Return what a guest has started and can still prove.

    Raises:
        NoPendingUpgrade: nothing, or its code has expired.
    """
    row = _of(user, method).filter(expires_at__gt=timezone.now()).first()
    if row is None:
        raise NoPendingUpgrade
    return row


def check_code(user: Any, *, method: str, code: str, rules: CodeRules) -> PendingUpgrade:
    """Count an attempt and return the pending upgrade that the code proves; two statements.

    Must not be called in a transaction that a refusal rolls back: the attempt would not be counted.

    Raises:
        NoPendingUpgrade: nothing is pending, the code has expired, or it was typed too often.
        CodeIncorrect: with the number of attempts left.
    """
    # SECURITY: counted before it is compared, by one conditional UPDATE, so that of many parallel guesses
    # no more than the allowed number is ever compared.
    open_ = _of(user, method).filter(expires_at__gt=timezone.now(), attempts__lt=rules.attempts)
    counted = open_.update(attempts=F("attempts") + 1)
    row = _of(user, method).first() if counted else None
    if row is None:
        raise NoPendingUpgrade
    # SECURITY: the hash binds the code to this guest, method and address; another's code is just a wrong one.
    typed = _hash(user, method, row.target, code)
    if not _plain(code) or not constant_time_compare(typed, row.code_hash):
        raise CodeIncorrect(max(0, rules.attempts - row.attempts))
    return row


def use(pending: PendingUpgrade) -> None:
    """Use up a code that :func:`check_code` found right; call it in the transaction of what the code is for.

    Raises:
        NoPendingUpgrade: a parallel request used it, or replaced it, first.
    """
    rows = PendingUpgrade.objects.filter(pk=pending.pk, code_hash=pending.code_hash)
    if not rows.delete()[0]:
        raise NoPendingUpgrade


def lock_guest(user: Any) -> Any:
    """Return the row of a guest, locked until the end of the transaction.

    Raises:
        UserNotFound, UserInactive
        NotAnonymous: he is permanent already; a stale token must not change his addresses.
    """
    row = lock(user.pk, user_database())
    if not row.is_active:
        raise UserInactive
    if not row.is_guest:
        raise NotAnonymous
    return row


def forget_expired(*, before: datetime) -> int:
    """Delete what nobody can prove any more, and with it addresses and password hashes; returns the number."""
    return PendingUpgrade.objects.filter(expires_at__lt=before).delete()[0]


def _reserve(
    user: Any, method: str, wanted: dict[str, Any], *, rules: CodeRules, now: datetime
) -> PendingUpgrade | None:
    """Write the pending upgrade, before anything is sent; returns the one that it replaced."""
    with transaction.atomic(using=user_database()):
        lock_guest(user)
        before = _of(user, method).first()
        if before is None:
            PendingUpgrade.objects.create(user_id=user.pk, method=method, created_at=now, **wanted)
            return None
        renewed: dict[str, Any] = {}
        if before.created_at + rules.lifetime <= now:
            renewed = {"created_at": now, "attempts": 0}
        elif before.attempts >= rules.attempts:
            # SECURITY: asking for a new code, for this or another address, must not buy new guesses.
            raise RateLimited(_seconds(before.created_at + rules.lifetime - now))
        if before.sent_at + rules.interval > now:
            raise RateLimited(_seconds(before.sent_at + rules.interval - now))
        _of(user, method).update(**wanted, **renewed)
        return before


def _check_address(method: str, target: str, *, rules: CodeRules, now: datetime) -> None:
    # After our own row is committed: of parallel requests each sees the others, and no more than the cap is sent.
    rows = PendingUpgrade.objects.filter(method=method, target=target, expires_at__gt=now)
    found = rows.aggregate(count=Count("pk"), first=Min("expires_at"))
    if found["count"] > rules.per_address:
        raise RateLimited(_seconds(found["first"] - now))


def _withdraw(user: Any, method: str, code_hash: str, before: PendingUpgrade | None) -> None:
    mine = _of(user, method).filter(code_hash=code_hash)
    if before is None:
        mine.delete()
    else:
        mine.update(**{name: getattr(before, name) for name in RESTORED})


def _of(user: Any, method: str) -> QuerySet[PendingUpgrade]:
    return PendingUpgrade.objects.filter(user_id=user.pk, method=method)


def _hash(user: Any, method: str, target: str, code: str) -> str:
    bound = json.dumps([str(user.pk), method, target, _plain(code)])
    return salted_hmac("anonauth.pending_upgrade", bound, algorithm="sha256").hexdigest()


def _plain(code: str) -> str:
    # Dashes are for reading; capitals are not asked for (RFC 8628, 6.1).
    return "".join(sign for sign in code if sign.isalnum()).casefold()


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))


def _is_outage(error: Exception) -> bool:
    # smtplib's errors are OSErrors; the clients of SMS providers have errors of their own. A TypeError stays a bug.
    if isinstance(error, OSError):
        return True
    return type(error).__module__.partition(".")[0] not in _OUR_SIDE
