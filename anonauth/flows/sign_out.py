"""Ending all credentials of a user: every session, every token, every key."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from anonauth import audit
from anonauth.credentials import allowed_credentials
from anonauth.models import SignInKey


def sign_out_everywhere(user: Any) -> None:
    """End every session and token of a user, at once and for all kinds; changes the row and the instance.

    The session hash includes ``credentials_revoked_at``, so that one UPDATE ends what carries the hash; kinds that
    store something besides are asked to forget it.
    """
    now = timezone.now()
    user.credentials_revoked_at = now
    get_user_model()._base_manager.filter(pk=user.pk).update(credentials_revoked_at=now)
    # SECURITY: an Idempotency-Key that is still in its window would sign the user in again.
    SignInKey.objects.filter(user_id=user.pk).delete()
    for kind in allowed_credentials().values():
        kind.forget(user)
    audit.record("signed_out_everywhere", user_id=str(user.pk))
