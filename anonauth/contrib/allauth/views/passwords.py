"""``user/password/`` and ``token/``."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from anonauth.adapter import get_adapter, refuse_impersonation
from anonauth.api.answers import kind_at_hand, signed_in
from anonauth.api.permissions import IsPermanentUser
from anonauth.api.serializers import StrictSerializer
from anonauth.api.views import AnonauthView, limit, validated
from anonauth.conf import get_settings
from anonauth.contrib.allauth.flows.login import check_password
from anonauth.contrib.allauth.flows.password import set_first_password
from anonauth.credentials import allowed_credentials


class PasswordSerializer(StrictSerializer):
    """The body of ``POST user/password/``."""

    password = serializers.CharField(max_length=4096, trim_whitespace=False)


class TokenSerializer(PasswordSerializer):
    """The body of ``POST token/``."""

    username = serializers.CharField(required=False, max_length=254)
    email = serializers.EmailField(required=False, max_length=254)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("username" in attrs) == ("email" in attrs):
            raise serializers.ValidationError(
                {"username": [_("Send either a username or an email.")]}, code="required"
            )
        return super().validate(attrs)


class PasswordView(AnonauthView):
    """The first password."""

    permission_classes = (IsPermanentUser,)

    def post(self, request: Request) -> Response:
        """Set it, and answer with fresh credentials of the kind at hand; all others have ended."""
        # SECURITY: with it staff could come back later, as the user himself.
        refuse_impersonation(request._request)
        limit(request, group="anonauth.password", rates=get_settings().token_rate_limits)
        data = validated(PasswordSerializer, request)
        kind, user = kind_at_hand(request), request.user
        set_first_password(request._request, user=user, **data)
        body = {"user": get_adapter().user_payload(user), "credentials": kind.name}
        return Response(body | kind.renew(request._request, user))


class TokenView(AnonauthView):
    """Tokens for a name and a password."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        return []  # whoever is signed in already; and no cookie, so no CSRF

    def post(self, request: Request) -> Response:
        """Answer with the permanent user and his tokens."""
        kind = allowed_credentials().get("jwt")
        if kind is None:
            raise Http404
        limit(request, group="anonauth.token", rates=get_settings().token_rate_limits)
        data = validated(TokenSerializer, request)
        user = check_password(request._request, **data)
        return signed_in(request, kind, user)
