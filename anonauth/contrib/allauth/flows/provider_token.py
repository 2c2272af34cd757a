"""What an app got from a provider's own SDK, verified by allauth's provider."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.core.exceptions import (
    ImproperlyConfigured,
    MultipleObjectsReturned,
    ValidationError,
)
from django.db import IntegrityError
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from anonauth.contrib.allauth.flows.social import get_provider
from anonauth.contrib.allauth.models import SeenToken
from anonauth.exceptions import (
    MethodUnavailable,
    ProviderTokenInvalid,
    ProviderUnavailable,
    UserNotFound,
)


def verify_token(
    request: HttpRequest,
    user: Any,
    *,
    provider_id: str,
    token: dict[str, str],
    client_id: str | None = None,
    nonce: str | None = None,
) -> SocialLogin:
    """Return what a provider's token proves about whoever sends it.

    Args:
        request: Django's request.
        user: who sends it.
        provider_id: allauth's name of the provider.
        token: ``id_token``, ``access_token`` or both.
        client_id: which of the provider's apps the token is for, where it has several.
        nonce: what the app made up for this token; the token holds it, or the hex SHA-256 of it.

    Raises:
        MethodUnavailable: the provider is not set up, or cannot verify tokens.
        ProviderTokenInvalid: expired, forged, for another app, without the nonce, or brought by another user before.
        ProviderUnavailable: the provider's keys cannot be read at this moment.
    """
    provider = get_provider(request, provider_id, client_id=client_id)
    if not provider.supports_token_authentication:
        raise MethodUnavailable
    names = {"client_id": client_id} if client_id else {}
    try:
        found = provider.verify_token(request, {**names, **token})
    except ValidationError as error:
        # allauth says "invalid token" also where it could not reach the provider; requests' errors are OSErrors.
        if isinstance(error.__cause__, OSError):
            raise ProviderUnavailable from error
        raise ProviderTokenInvalid from error
    except OSError as error:
        raise ProviderUnavailable from error
    except MultipleObjectsReturned as error:
        # allauth cannot tell several apps of one OpenID Connect provider apart unless all but one are "hidden".
        raise MethodUnavailable from error
    except (OAuth2Error, ImproperlyConfigured, LookupError, TypeError, ValueError) as error:
        # What allauth trips over: a token without "kid" or "sub", an HMAC made with the public key, and the like.
        raise ProviderTokenInvalid from error
    claims = claims_of(token.get("id_token", ""))
    _check_nonce(claims, nonce)
    _bind(user, token.get("id_token", ""), claims)
    return found


def claims_of(id_token: str) -> dict[str, Any]:
    """Return what is in an id token, without verifying it; nothing if it is none."""
    try:
        payload = id_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (LookupError, ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}


def _check_nonce(claims: dict[str, Any], nonce: str | None) -> None:
    """Refuse a token made for another attempt than this one.

    A token with a nonce is refused without one, too: or else a thief would leave it out.
    """
    expected = claims.get("nonce")
    if expected is None and nonce is None:
        return
    if not isinstance(expected, str) or nonce is None:
        raise ProviderTokenInvalid
    # Android sends the nonce as it is, Apple's and Google's guides for iOS have the app send the hash.
    hashed = hashlib.sha256(nonce.encode()).hexdigest()
    if not any(constant_time_compare(expected, form) for form in (nonce, hashed)):
        raise ProviderTokenInvalid


def _bind(user: Any, id_token: str, claims: dict[str, Any]) -> None:
    # SECURITY: replay. A token that was logged or leaked must not give its owner's identity to another guest, nor a
    # ticket for the owner's account. The user who brought it first may repeat his request.
    expires = claims.get("exp")
    if not isinstance(expires, int | float):
        return
    SeenToken.objects.sweep()
    # What is signed, and not the signature: that can be spelled in several ways (base64url has spare bits).
    signed = id_token.rpartition(".")[0]
    try:
        seen, _ = SeenToken.objects.get_or_create(
            token_hash=hashlib.sha256(signed.encode()).hexdigest(),
            defaults={"user": user, "expires_at": datetime.fromtimestamp(expires, UTC)},
        )
    except IntegrityError as error:  # erased or merged while the provider was asked
        raise UserNotFound from error
    if seen.user_id != user.pk:
        raise ProviderTokenInvalid
