"""For projects that keep simplejwt's own views: name these in SIMPLE_JWT.

``TOKEN_OBTAIN_SERIALIZER`` and ``TOKEN_REFRESH_SERIALIZER``.
"""

from __future__ import annotations

from typing import Any

from rest_framework_simplejwt import serializers

from anonauth.contrib.simplejwt.refresh import refresh_tokens
from anonauth.contrib.simplejwt.tokens import RefreshToken


class TokenObtainPairSerializer(serializers.TokenObtainPairSerializer):
    """simplejwt's own, with our claims."""

    token_class = RefreshToken


class TokenRefreshSerializer(serializers.TokenRefreshSerializer):
    """simplejwt's own, without its stale claims and its 500 for a deleted user."""

    token_class = RefreshToken

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        body = refresh_tokens(attrs["refresh"])
        return {name: body[name] for name in ("access", "refresh") if name in body}
