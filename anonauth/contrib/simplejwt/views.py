"""Renewing tokens over HTTP."""

from __future__ import annotations

from django.http import Http404
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from anonauth.api.serializers import StrictSerializer
from anonauth.api.views import AnonauthView, validated
from anonauth.contrib.simplejwt.authentication import JWTAuthentication
from anonauth.contrib.simplejwt.refresh import refresh_tokens
from anonauth.credentials import allowed_credentials


class RefreshSerializer(StrictSerializer):
    """The body of ``POST token/refresh/``."""

    refresh = serializers.CharField(max_length=8192)


class TokenRefreshView(AnonauthView):
    """Fresh tokens for a refresh token."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        return []  # the access token may be long dead

    def get_authenticate_header(self, request: Request) -> str:
        # Without authenticators REST framework would answer 403 to a dead token.
        return JWTAuthentication().authenticate_header(request)

    def post(self, request: Request) -> Response:
        """Answer with an access token and, where simplejwt rotates them, a refresh token."""
        if "jwt" not in allowed_credentials():
            raise Http404
        data = validated(RefreshSerializer, request)
        return Response(refresh_tokens(data["refresh"]))
