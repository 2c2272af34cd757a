"""A guest's refresh token in a body, as the proof that he may be merged."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken, TokenError
from rest_framework_simplejwt.settings import api_settings

from anonauth.contrib.simplejwt.tokens import (
    check_active,
    check_not_revoked,
    decode,
    decode_ended,
)
from anonauth.exceptions import GuestProofInvalid
from anonauth.models import is_guest, trace_of, user_database

#: ``KeyError``, ``ValueError`` and ``ValidationError``: no user in the token, or none with a key of this user model.
FAULTS = (TokenError, InvalidToken, AuthenticationFailed, KeyError, ValueError, ValidationError)


def guest_of(encoded: str) -> Any:
    """Return the guest whose refresh token it is, or the trace of him; one query.

    Raises:
        GuestProofInvalid
    """
    try:
        # A merge has put all tokens of its guest onto simplejwt's blacklist, where that is installed.
        key = decode_ended(encoded)[api_settings.USER_ID_CLAIM]
        user = _find(key)
        if user is None:
            return _trace(key)
        check_not_revoked(decode(encoded), user)
        check_active(user)
    except FAULTS as error:
        raise GuestProofInvalid from error
    if not is_guest(user):
        raise GuestProofInvalid
    return user


def _find(key: Any) -> Any | None:
    rows = get_user_model()._base_manager.using(user_database())
    return rows.filter(**{api_settings.USER_ID_FIELD: key}).first()


def _trace(key: Any) -> Any:
    # The token may name its user by another unique field, and the record of a merge has the primary key alone.
    if api_settings.USER_ID_FIELD not in {"pk", get_user_model()._meta.pk.name}:
        raise GuestProofInvalid
    return trace_of(key)
