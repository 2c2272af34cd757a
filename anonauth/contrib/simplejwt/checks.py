"""System checks of the JWT kind of credentials."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning, register
from rest_framework_simplejwt.settings import api_settings

from anonauth.checks import sound_settings
from anonauth.conf import get_settings


@register("anonauth", deploy=True)
def check_signing_key(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W204: a rotation of SECRET_KEY would cost every guest with tokens his account."""
    if api_settings.SIGNING_KEY != settings.SECRET_KEY:
        return []
    return [
        Warning(
            "Tokens are signed with SECRET_KEY, and simplejwt knows no SECRET_KEY_FALLBACKS.",
            hint="Give SIMPLE_JWT a SIGNING_KEY of its own: when SECRET_KEY is rotated, guests who have only "
            "their tokens could not come back.",
            id="anonauth.W204",
        )
    ]


@register("anonauth")
def check_simplejwt(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E201, E202, W203: simplejwt's own settings."""
    found: list[CheckMessage] = []
    model: Any = get_user_model()
    names = {field.name for field in model._meta.concrete_fields if field.unique}
    if api_settings.USER_ID_FIELD not in names:
        found.append(
            Error(
                f"SIMPLE_JWT['USER_ID_FIELD'] is {api_settings.USER_ID_FIELD!r}, "
                f"which is no unique field of {model.__name__}.",
                hint=f"Set it to {model._meta.pk.name!r}.",
                id="anonauth.E201",
            )
        )
    if any(
        token.token_type == "sliding"  # noqa: S105  no password
        for token in api_settings.AUTH_TOKEN_CLASSES
    ):
        found.append(
            Error(
                "Sliding tokens cannot be revoked.",
                hint="Their refresh never looks at the user: a purged guest would stay signed in. "
                "Remove SlidingToken from SIMPLE_JWT['AUTH_TOKEN_CLASSES'].",
                id="anonauth.E202",
            )
        )
    if not sound_settings():
        return found
    lifetime, kept = api_settings.REFRESH_TOKEN_LIFETIME, get_settings().purge_after
    if "jwt" in get_settings().credentials and not (
        api_settings.ROTATE_REFRESH_TOKENS and lifetime >= kept
    ):
        found.append(
            Warning(
                "Guests lose their refresh token before their data are purged.",
                hint="For a guest the refresh token is the account. Set in SIMPLE_JWT "
                f"ROTATE_REFRESH_TOKENS to True and REFRESH_TOKEN_LIFETIME (now {lifetime}) to at least "
                f"ANONAUTH_PURGE_AFTER ({kept}).",
                id="anonauth.W203",
            )
        )
    return found
