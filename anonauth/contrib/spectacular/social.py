"""The upgrade by a social account in the schema."""

# mypy: allow-untyped-calls
# Reason: the extensions of drf-spectacular register themselves in an __init_subclass__ without annotations.

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from anonauth.contrib.spectacular import bodies, examples
from anonauth.contrib.spectacular.examples import answered, asked
from anonauth.contrib.spectacular.fields import NamedEnum
from anonauth.contrib.spectacular.refusals import BAD_BODY, RETRY_AFTER, refusals
from anonauth.contrib.spectacular.views import NO_CREDENTIALS, TAGS, Endpoint
from anonauth.credentials import allowed_credentials

VIEWS = "anonauth.contrib.allauth.views.social"
ALL = (
    *BAD_BODY,
    *NO_CREDENTIALS,
    "csrf_failed",
    "not_anonymous",
    "impersonated",
    "method_unavailable",
    "rate_limited",
    "rate_limit_unavailable",
    "database_unavailable",
)
JOINS = ("signup_closed", "permission_denied", "identity_taken")
PROVIDER = OpenApiParameter(
    "provider",
    str,
    OpenApiParameter.PATH,
    description="As in `upgrade_methods`, without `social:`.",
)
VERIFIER = "WsPqDJqWPZCPmQw1Hd2rKX0eHkLqSgC1tCwYb1lgZ3s"


class AnonauthProviderTokenSerializer(serializers.Serializer[Any]):
    """What the provider's own SDK gave; one of the tokens, or both."""

    id_token = serializers.CharField(required=False, max_length=16384)
    access_token = serializers.CharField(required=False, max_length=16384)
    client_id = serializers.CharField(
        required=False, max_length=191, help_text="Where the provider has several apps."
    )
    nonce = serializers.CharField(
        required=False,
        max_length=255,
        help_text="Where the id token has one: as it is, also if the token has the hash of it.",
    )


class AnonauthSocialStartSerializer(serializers.Serializer[Any]):
    """Where the browser returns to, and the challenge of PKCE."""

    redirect_uri = serializers.CharField(
        max_length=2000, help_text="One of `ANONAUTH_REDIRECT_URIS`, to the letter."
    )
    code_challenge = serializers.CharField(
        max_length=128, help_text="The base64url SHA-256 of the verifier."
    )
    code_challenge_method = NamedEnum(
        "AnonauthCodeChallengeMethod", ["S256"], required=False, help_text="Default: `S256`."
    )


class AnonauthSocialStartedSerializer(serializers.Serializer[Any]):
    """What the app opens in the browser."""

    url = serializers.URLField(help_text="Works once.")
    expires_in = serializers.IntegerField(
        help_text="Seconds in which the person has to come back from the provider."
    )


class AnonauthSocialFinishSerializer(serializers.Serializer[Any]):
    """What came back to the app, and what it kept."""

    code = serializers.CharField(max_length=128)
    code_verifier = serializers.CharField(max_length=128)


def _joins(*codes: str, **operation: Any) -> Any:
    shown = operation.pop("shown")
    upgraded = {k: v for k, v in examples.UPGRADED.items() if k in allowed_credentials()}
    return extend_schema(
        tags=TAGS,
        parameters=[PROVIDER, RETRY_AFTER],
        examples=[*asked(shown), *answered(upgraded, 200)],
        responses={
            200: OpenApiResponse(bodies.signed_in(), "The permanent user, with fresh credentials."),
            **refusals(*ALL, *JOINS, *codes),
        },
        **operation,
    )


class ProviderToken(Endpoint):
    target_class = f"{VIEWS}.ProviderTokenView"

    def operations(self) -> dict[str, Any]:
        operation = _joins(
            "provider_token_invalid",
            "provider_unavailable",
            operation_id="upgradeWithProviderToken",
            summary="Upgrade with a provider's token",
            description="Makes the guest permanent with a token that a native SDK gave to the app. He keeps his id.",
            request=AnonauthProviderTokenSerializer,
            shown={"An id token": {"id_token": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "nonce": "n-0S6"}},
        )
        return {"post": operation}


class SocialStart(Endpoint):
    target_class = f"{VIEWS}.StartView"

    def operations(self) -> dict[str, Any]:
        body = {
            "redirect_uri": "https://shop.example/app/callback",
            "code_challenge": "A1NB_nCLhFiUjaBClyiFfPJYaVVkKrB226lGkZUxu5U",
        }
        url = "https://shop.example/auth/upgrade/social/google/go/?ticket=b7u6"
        operation = extend_schema(
            operation_id="startSocialUpgrade",
            summary="Upgrade by a social account in the browser",
            description="Gives a URL for the browser, which comes back to `redirect_uri` with `code` or `error`.",
            tags=TAGS,
            parameters=[PROVIDER, RETRY_AFTER],
            request=AnonauthSocialStartSerializer,
            examples=[
                *asked({"An app": body}),
                *answered({"The URL": {"url": url, "expires_in": 600}}, 200),
            ],
            responses={
                200: OpenApiResponse(AnonauthSocialStartedSerializer, "What to open."),
                **refusals(*ALL),
            },
        )
        return {"post": operation}


class SocialFinish(Endpoint):
    target_class = f"{VIEWS}.FinishView"

    def operations(self) -> dict[str, Any]:
        operation = _joins(
            "ticket_invalid",
            operation_id="finishSocialUpgrade",
            summary="Redeem the code of the browser",
            description="Makes the guest permanent who started, once the browser has come back with a code.",
            request=AnonauthSocialFinishSerializer,
            shown={"A code": {"code": "SplxlOBeZQQYbYS6WxSbIA", "code_verifier": VERIFIER}},
        )
        return {"post": operation}
