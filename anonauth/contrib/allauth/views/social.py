"""Social accounts for clients of the API: a provider's token, or a way through the browser."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from anonauth.adapter import refuse_impersonation
from anonauth.api.answers import kind_at_hand, signed_in
from anonauth.api.permissions import IsGuest
from anonauth.api.serializers import StrictSerializer
from anonauth.api.views import AnonauthView, limit, validated
from anonauth.conf import get_settings
from anonauth.contrib.allauth.flows import social_redirect
from anonauth.contrib.allauth.flows.provider_token import verify_token
from anonauth.contrib.allauth.flows.social import join
from anonauth.contrib.allauth.pages import refused
from anonauth.exceptions import AnonauthError
from anonauth.guards import check_person

GROUP = "anonauth.social"
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)  # a base64url SHA-256


class ProviderTokenSerializer(StrictSerializer):
    """The body of ``POST upgrade/social/<provider>/token/``."""

    id_token = serializers.CharField(required=False, max_length=16384)
    access_token = serializers.CharField(required=False, max_length=16384)
    client_id = serializers.CharField(required=False, max_length=191)
    nonce = serializers.CharField(required=False, max_length=255)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "id_token" not in attrs and "access_token" not in attrs:
            message = _("Send an id_token or an access_token.")
            raise serializers.ValidationError({"id_token": message}, code="required")
        return attrs


class StartSerializer(StrictSerializer):
    """The body of ``POST upgrade/social/<provider>/start/``."""

    redirect_uri = serializers.CharField(max_length=2000, trim_whitespace=False)
    code_challenge = serializers.CharField(max_length=128)
    code_challenge_method = serializers.ChoiceField(choices=["S256"], default="S256")

    def validate_code_challenge(self, value: str) -> str:
        if not CHALLENGE.fullmatch(value):
            raise serializers.ValidationError(_("Send the base64url SHA-256 of your verifier."))
        return value


class FinishSerializer(StrictSerializer):
    """The body of ``POST upgrade/social/<provider>/finish/``."""

    code = serializers.CharField(max_length=128)
    code_verifier = serializers.CharField(max_length=128)


class _SocialView(AnonauthView):
    permission_classes: Any = (IsAuthenticated,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        refuse_impersonation(request._request)
        limit(request, group=GROUP, rates=get_settings().verify_rate_limits)

    def joined(self, request: Request, sociallogin: Any) -> Response:
        """Join what was proved to the user at hand, and answer with him."""
        kind = kind_at_hand(request)
        return signed_in(request, kind, join(request._request, request.user, sociallogin))


class ProviderTokenView(_SocialView):
    """Upgrade with what the provider's own SDK gave to the app."""

    def post(self, request: Request, provider: str) -> Response:
        """Verify the token and join the social account: 200; another user's: 409."""
        data = validated(ProviderTokenSerializer, request)
        token = {name: data[name] for name in data.keys() & {"id_token", "access_token"}}
        sociallogin = verify_token(
            request._request,
            request.user,
            provider_id=provider,
            token=token,
            client_id=data.get("client_id"),
            nonce=data.get("nonce"),
        )
        return self.joined(request, sociallogin)


class StartView(_SocialView):
    """The way to a provider through a browser that knows nothing of the guest."""

    permission_classes = (IsAuthenticated, IsGuest)

    def post(self, request: Request, provider: str) -> Response:
        """Answer with the URL that the app opens in the browser, once."""
        data = validated(StartSerializer, request)
        lifetime = get_settings().ticket_lifetime
        ticket = social_redirect.start(
            request._request,
            request.user,
            provider_id=provider,
            redirect_uri=data["redirect_uri"],
            code_challenge=data["code_challenge"],
            lifetime=lifetime,
        )
        path = reverse("anonauth:social_go", args=[provider], current_app=_namespace(request))
        url = request.build_absolute_uri(f"{path}?ticket={ticket}")
        return Response({"url": url, "expires_in": int(lifetime.total_seconds())})


class FinishView(_SocialView):
    """The way back."""

    def post(self, request: Request, provider: str) -> Response:
        """Redeem the code that came back to the app: 200; another user's identity: 409."""
        data = validated(FinishSerializer, request)
        sociallogin = social_redirect.redeem(
            request._request,
            request.user,
            provider_id=provider,
            code=data["code"],
            verifier=data["code_verifier"],
        )
        return self.joined(request, sociallogin)


def _namespace(request: Request) -> str | None:
    match = request._request.resolver_match
    return match.namespace if match is not None else None


@require_GET
def go(request: HttpRequest, provider: str) -> HttpResponse:
    """Send the browser to the provider; signs nobody in."""
    try:
        check_person(request)  # a prefetch would use up the ticket
        ticket = request.GET.get("ticket", "")
        answer = social_redirect.go(request, provider_id=provider, ticket=ticket)
    except AnonauthError as error:
        return refused(request, error)
    patch_cache_control(answer, private=True, no_store=True)
    return answer
