"""Renewing tokens: revocation is checked first, the claims are taken from the row afterwards."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.settings import api_settings

from anonauth.conf import get_settings
from anonauth.contrib.simplejwt.tokens import (
    RefreshToken,
    check_active,
    check_not_revoked,
    decode,
    set_claims,
)
from anonauth.flows.last_seen import touch
from anonauth.models import user_database


def refresh_tokens(encoded: str) -> dict[str, Any]:
    """Return a new access token, and a new refresh token where simplejwt rotates them; one query.

    Args:
        encoded: the refresh token as the client sent it.

    Raises:
        InvalidToken: ``token_not_valid``, ``user_not_found`` (purged, merged) or ``token_revoked``.
        AuthenticationFailed: ``user_inactive``.
    """
    try:
        token = decode(encoded)
    except TokenError as error:
        raise InvalidToken(error.args[0]) from error
    user = _user_of(token)
    check_active(user)
    # Never the other way around: fresh claims would launder a revoked token.
    check_not_revoked(token, user)
    set_claims(token, user)
    touch(user, interval=get_settings().last_seen_interval)
    body = access_fields(token)
    if api_settings.ROTATE_REFRESH_TOKENS:
        body["refresh"] = str(_rotate(token))
    return body


def access_fields(token: RefreshToken) -> dict[str, Any]:
    """Return the part of an answer that the access token makes up; ``expires_in`` is in seconds."""
    access = token.access_token
    lifetime = access["exp"] - int(token.current_time.timestamp())
    return {"access": str(access), "expires_in": lifetime, "token_type": "Bearer"}


def _user_of(token: RefreshToken) -> Any:
    user_id = token.get(api_settings.USER_ID_CLAIM)
    # Not from a replica, which may lag behind: a guest who was made a moment ago would be told that he is gone.
    rows = get_user_model()._default_manager.using(user_database())
    try:
        user = rows.get(**{api_settings.USER_ID_FIELD: user_id})
    except (get_user_model().DoesNotExist, ValueError, ValidationError) as error:
        detail = {"detail": _("This user does not exist any more."), "code": "user_not_found"}
        raise InvalidToken(detail) from error
    return user


def _rotate(token: RefreshToken) -> RefreshToken:
    blacklist = getattr(token, "blacklist", None)  # there only with simplejwt's blacklist app
    if api_settings.BLACKLIST_AFTER_ROTATION and blacklist is not None:
        _row, first = blacklist()
        if not first:
            # SECURITY: two requests came with the same token at once; one of them may be a thief's.
            raise InvalidToken("Token is blacklisted")
    token.set_jti()
    token.set_exp()
    token.set_iat()
    token.outstand()
    return token
