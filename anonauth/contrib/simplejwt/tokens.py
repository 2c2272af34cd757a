"""simplejwt's refresh token with two claims more, those of the project, and what they mean when a token comes back.

``is_anonymous``
    the flag, for clients and for services that see only the token. Never a basis for rights here: the row is.
``sv``
    session version, a part of ``get_session_auth_hash()``: it changes with the password and whenever all credentials
    of a user are revoked, so that tokens end without a table of them. Keyed by SECRET_KEY, honors its fallbacks.
``anonauth_claims``
    the names of the project's claims, where there are some, so that a refresh takes off those that hold no more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.utils import get_md5_hash_password

from anonauth.adapter import get_adapter

ANONYMOUS_CLAIM = "is_anonymous"
VERSION_CLAIM = "sv"
PROJECT_CLAIM = "anonauth_claims"
VERSION_LENGTH = 24  # hexadecimal digits: 96 bits of an HMAC


def set_claims(token: tokens.Token, user: Any) -> None:
    """Write what the row says now into a token, and what the project wants to say with it."""
    kept = {"exp", "iat", api_settings.USER_ID_CLAIM, api_settings.TOKEN_TYPE_CLAIM}
    kept |= {api_settings.JTI_CLAIM, api_settings.REVOKE_TOKEN_CLAIM}
    kept |= {ANONYMOUS_CLAIM, VERSION_CLAIM, PROJECT_CLAIM}
    # SECURITY: what the adapter said at another time and does not say now, e.g. of a right, must not stay.
    for name in set(token.payload.pop(PROJECT_CLAIM, ())) - kept:
        token.payload.pop(name, None)
    claims = {n: v for n, v in get_adapter().token_claims(user).items() if n not in kept}
    if claims:
        token.payload.update(claims)
        token[PROJECT_CLAIM] = list(claims)
    token[ANONYMOUS_CLAIM] = user.is_guest
    token[VERSION_CLAIM] = user.get_session_auth_hash()[:VERSION_LENGTH]


class _ClaimedToken(tokens.Token):
    @classmethod
    def for_user(cls, user: Any) -> Any:
        token = super().for_user(user)
        set_claims(token, user)
        return token


class RefreshToken(tokens.RefreshToken, _ClaimedToken):  # type: ignore[misc]
    """simplejwt's refresh token with our claims; its ``access_token`` copies them.

    The claims are set below simplejwt's blacklist mixin, so that the outstanding token it stores is the one issued.
    """


def issue(user: Any) -> RefreshToken:
    """Return a new refresh token for a user."""
    return RefreshToken.for_user(user)  # type: ignore[return-value]  # simplejwt annotates its own class


def decode(encoded: str) -> RefreshToken:
    """Return the refresh token that a client sent.

    Raises:
        rest_framework_simplejwt.exceptions.TokenError: forged, expired, of another type or blacklisted.
    """
    return RefreshToken(encoded)  # type: ignore[arg-type]  # simplejwt's annotation forgets str


class _MaybeEndedToken(tokens.Token):
    # Without the blacklist's mixin, and never issued.
    token_type = tokens.RefreshToken.token_type
    lifetime = timedelta(0)


def decode_ended(encoded: str) -> tokens.Token:
    """Return a refresh token that is genuine, blacklisted or not: it tells who its user was, and opens nothing.

    Raises:
        rest_framework_simplejwt.exceptions.TokenError: forged, expired or of another type.
    """
    return _MaybeEndedToken(encoded)  # type: ignore[arg-type]  # simplejwt's annotation forgets str


def check_not_revoked(token: tokens.Token, user: Any) -> None:
    """Refuse a token that was issued before the user's credentials were revoked.

    Raises:
        InvalidToken: with the code ``token_revoked``.
    """
    version = token.get(VERSION_CLAIM)
    if version is None:
        valid = _may_be_unversioned(token, user)
    else:
        hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
        valid = any(constant_time_compare(str(version), h[:VERSION_LENGTH]) for h in hashes)
    if valid and api_settings.CHECK_REVOKE_TOKEN:
        claim = token.get(api_settings.REVOKE_TOKEN_CLAIM)
        valid = claim == get_md5_hash_password(user.password)
    if not valid:
        raise InvalidToken({"detail": _("This token has been revoked."), "code": "token_revoked"})


def _may_be_unversioned(token: tokens.Token, user: Any) -> bool:
    # A project's own simplejwt views issue tokens without our claim, for permanent users. SECURITY: such a token of a
    # guest, or from before an upgrade or a revocation, could not be ended by anybody; it is not accepted.
    if user.is_guest:
        return False
    moments = [m for m in (user.upgraded_at, user.credentials_revoked_at) if m is not None]
    issued = token.get("iat")
    return not moments or (issued is not None and issued > max(moments).timestamp())


def check_claim(token: tokens.Token, user: Any) -> None:
    """Refuse an access token whose ``is_anonymous`` is not the row's any more, so that the client refreshes.

    Raises:
        AuthenticationFailed: with the code ``token_stale``.
    """
    claim = token.get(ANONYMOUS_CLAIM)
    if claim is not None and claim is not user.is_guest:
        raise AuthenticationFailed(_("This token is out of date; refresh it."), code="token_stale")


def check_active(user: Any) -> None:
    """Refuse whoever may not be signed in; a banned guest even where the project lets inactive users pass.

    Raises:
        AuthenticationFailed: with the code ``user_inactive``.
    """
    banned_guest = user.is_guest and not user.is_active
    if banned_guest or not api_settings.USER_AUTHENTICATION_RULE(user):
        raise AuthenticationFailed(_("This user is not active."), code="user_inactive")
