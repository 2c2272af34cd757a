"""For ``REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"]``."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from rest_framework_simplejwt import authentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed
from rest_framework_simplejwt.tokens import Token

from anonauth.conf import get_settings
from anonauth.contrib.simplejwt.tokens import check_active, check_claim, check_not_revoked
from anonauth.flows.last_seen import touch


class JWTAuthentication(authentication.JWTAuthentication):
    """simplejwt's own, which also ends revoked and outdated tokens and remembers that a guest was here; one query."""

    def get_user(self, validated_token: Token) -> Any:
        try:
            user: Any = super().get_user(validated_token)
        except (ValueError, ValidationError) as error:
            # The key in the token is none of this user model, e.g. from before it was changed to UUID.
            raise AuthenticationFailed(
                _("This user does not exist any more."), code="user_not_found"
            ) from error
        check_active(user)
        check_not_revoked(validated_token, user)
        check_claim(validated_token, user)
        touch(user, interval=get_settings().last_seen_interval)
        return user
