"""``upgrade/email/`` and ``upgrade/phone/``: ask for a code, type it, ask for another one."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from anonauth.api.answers import kind_at_hand, signed_in
from anonauth.api.serializers import StrictSerializer
from anonauth.api.views import limit, validated
from anonauth.conf import get_settings
from anonauth.contrib.allauth.flows import email, phone
from anonauth.contrib.allauth.views.base import GuestProofView


class StartSerializer(StrictSerializer):
    """What may be sent together with an address."""

    password = serializers.CharField(required=False, max_length=4096, trim_whitespace=False)
    name = serializers.CharField(required=False, allow_blank=True, max_length=150)


class StartEmailSerializer(StartSerializer):
    """The body of ``POST upgrade/email/``."""

    email = serializers.EmailField(max_length=254)


class StartPhoneSerializer(StartSerializer):
    """The body of ``POST upgrade/phone/``."""

    phone = serializers.CharField(max_length=32)


class CodeSerializer(StrictSerializer):
    """The body of ``POST upgrade/…/verify/``."""

    code = serializers.CharField(max_length=64)


class NothingSerializer(StrictSerializer):
    """An empty body."""


class StartView(GuestProofView):
    """Ask for a code."""

    flow: Any
    serializer: type[StartSerializer]

    def post(self, request: Request) -> Response:
        """Answer 202, the same whether the address has an owner or not."""
        data = validated(self.serializer, request)
        _limit_codes(request)
        self.flow.start(request._request, user=request.user, **data)
        return _sent()


class ResendView(GuestProofView):
    """Ask for another code."""

    flow: Any

    def post(self, request: Request) -> Response:
        """Answer 202, the same as the start."""
        validated(NothingSerializer, request)
        _limit_codes(request)
        self.flow.resend(request._request, user=request.user)
        return _sent()


class VerifyView(GuestProofView):
    """Type the code."""

    flow: Any

    def post(self, request: Request) -> Response:
        """Answer with the permanent user and fresh credentials of the kind at hand."""
        limit(request, group="anonauth.verify", rates=get_settings().verify_rate_limits)
        data = validated(CodeSerializer, request)
        kind = kind_at_hand(request)
        self.flow.verify(request._request, user=request.user, code=data["code"])
        return signed_in(request, kind, request.user)


class StartEmailView(StartView):
    """``POST upgrade/email/``"""

    flow = email
    serializer = StartEmailSerializer


class ResendEmailView(ResendView):
    """``POST upgrade/email/resend/``"""

    flow = email


class VerifyEmailView(VerifyView):
    """``POST upgrade/email/verify/``"""

    flow = email


class StartPhoneView(StartView):
    """``POST upgrade/phone/``"""

    flow = phone
    serializer = StartPhoneSerializer


class ResendPhoneView(ResendView):
    """``POST upgrade/phone/resend/``"""

    flow = phone


class VerifyPhoneView(VerifyView):
    """``POST upgrade/phone/verify/``"""

    flow = phone


def _limit_codes(request: Request) -> None:
    limit(request, group="anonauth.codes", rates=get_settings().code_rate_limits)


def _sent() -> Response:
    # Only what is in the settings: nothing of the address, nothing of its owner.
    conf = get_settings()
    body = {
        "expires_in": int(conf.code_lifetime.total_seconds()),
        "resend_after": int(conf.code_interval.total_seconds()),
    }
    return Response(body, status=status.HTTP_202_ACCEPTED)
