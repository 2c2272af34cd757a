"""The upgrade by a code, the first password and the login for tokens in the schema."""

# mypy: allow-untyped-calls
# Reason: the extensions of drf-spectacular register themselves in an __init_subclass__ without annotations.

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny

from anonauth.contrib.spectacular import bodies, examples
from anonauth.contrib.spectacular.examples import answered, asked
from anonauth.contrib.spectacular.refusals import BAD_BODY, RETRY_AFTER, refusals
from anonauth.contrib.spectacular.views import NO_CREDENTIALS, TAGS, Endpoint
from anonauth.credentials import allowed_credentials

VIEWS = "anonauth.contrib.allauth.views"
LIMITS = ("rate_limited", "rate_limit_unavailable", "database_unavailable")
FOR_GUESTS = (*BAD_BODY, *NO_CREDENTIALS, *LIMITS, "csrf_failed", "not_anonymous", "impersonated")


def _sent(*, method: str, verb: str, request: Any, shown: Any, codes: tuple[str, ...]) -> Any:
    return extend_schema(
        operation_id=verb,
        tags=TAGS,
        request=request,
        parameters=[RETRY_AFTER],
        examples=[*asked(shown), *answered(examples.CODE_SENT, 202)],
        responses={
            202: OpenApiResponse(bodies.AnonauthCodeSentSerializer, "A code is on its way."),
            **refusals(*FOR_GUESTS, *_unavailable(method), *codes, "delivery_failed"),
        },
        **TEXTS[verb],
    )


def _upgraded(*, method: str, verb: str) -> Any:
    return extend_schema(
        operation_id=verb,
        tags=TAGS,
        request=bodies.AnonauthCodeSerializer,
        parameters=[RETRY_AFTER],
        examples=[*asked(examples.CODE), *answered(_signed_in(), 200)],
        responses={
            200: OpenApiResponse(bodies.signed_in(), "The permanent user, with fresh credentials."),
            **refusals(
                *FOR_GUESTS,
                *_unavailable(method),
                "code_incorrect",
                "no_pending_upgrade",
                f"{method}_taken",
            ),
        },
        **TEXTS[verb],
    )


def _unavailable(method: str) -> tuple[str, ...]:
    return ("method_unavailable",) if method == "phone" else ()


def _signed_in() -> dict[str, dict[str, Any]]:
    kinds = allowed_credentials()
    return {kind: body for kind, body in examples.UPGRADED.items() if kind in kinds}


TEXTS: dict[str, dict[str, Any]] = {
    "startEmailUpgrade": {
        "summary": "Upgrade by e-mail",
        "description": "Sends the guest a code. The answer is the same whether the address is free or taken.",
    },
    "startPhoneUpgrade": {
        "summary": "Upgrade by phone",
        "description": "Sends the guest a code as a text message, whether the number is free or taken.",
    },
    "resendEmailCode": {
        "summary": "Another code by e-mail",
        "description": "Sends a new code to the address that is pending; the old one is void.",
    },
    "resendPhoneCode": {
        "summary": "Another code by text message",
        "description": "Sends a new code to the number that is pending; the old one is void.",
    },
    "verifyEmailUpgrade": {
        "summary": "Prove the address",
        "description": "Makes the guest permanent who types the code. He keeps his id; all his other credentials end.",
    },
    "verifyPhoneUpgrade": {
        "summary": "Prove the number",
        "description": "Makes the guest permanent who types the code. He keeps his id; all his other credentials end.",
    },
}


class StartEmail(Endpoint):
    target_class = f"{VIEWS}.codes.StartEmailView"

    def operations(self) -> dict[str, Any]:
        operation = _sent(
            method="email",
            verb="startEmailUpgrade",
            request=bodies.AnonauthStartEmailSerializer,
            shown=examples.EMAIL,
            codes=("signup_closed",),
        )
        return {"post": operation}


class StartPhone(Endpoint):
    target_class = f"{VIEWS}.codes.StartPhoneView"

    def operations(self) -> dict[str, Any]:
        operation = _sent(
            method="phone",
            verb="startPhoneUpgrade",
            request=bodies.AnonauthStartPhoneSerializer,
            shown=examples.PHONE,
            codes=("signup_closed",),
        )
        return {"post": operation}


class ResendEmail(Endpoint):
    target_class = f"{VIEWS}.codes.ResendEmailView"

    def operations(self) -> dict[str, Any]:
        codes = ("no_pending_upgrade",)
        operation = _sent(
            method="email", verb="resendEmailCode", request=None, shown={}, codes=codes
        )
        return {"post": operation}


class ResendPhone(Endpoint):
    target_class = f"{VIEWS}.codes.ResendPhoneView"

    def operations(self) -> dict[str, Any]:
        codes = ("no_pending_upgrade",)
        operation = _sent(
            method="phone", verb="resendPhoneCode", request=None, shown={}, codes=codes
        )
        return {"post": operation}


class VerifyEmail(Endpoint):
    target_class = f"{VIEWS}.codes.VerifyEmailView"

    def operations(self) -> dict[str, Any]:
        return {"post": _upgraded(method="email", verb="verifyEmailUpgrade")}


class VerifyPhone(Endpoint):
    target_class = f"{VIEWS}.codes.VerifyPhoneView"

    def operations(self) -> dict[str, Any]:
        return {"post": _upgraded(method="phone", verb="verifyPhoneUpgrade")}


class Password(Endpoint):
    target_class = f"{VIEWS}.passwords.PasswordView"

    def operations(self) -> dict[str, Any]:
        operation = extend_schema(
            operation_id="setPassword",
            summary="Set the first password",
            description="Sets the password of a permanent user who has none. All his other credentials end.",
            tags=TAGS,
            request=bodies.AnonauthPasswordSerializer,
            parameters=[RETRY_AFTER],
            examples=[*asked(examples.PASSWORD), *answered(_signed_in(), 200)],
            responses={
                200: OpenApiResponse(bodies.signed_in(), "The user, with fresh credentials."),
                **refusals(
                    *BAD_BODY,
                    *NO_CREDENTIALS,
                    *LIMITS,
                    "csrf_failed",
                    "permanent_user_required",
                    "impersonated",
                    "password_exists",
                ),
            },
        )
        return {"post": operation}


class Token(Endpoint):
    target_class = f"{VIEWS}.passwords.TokenView"
    attributes = {"permission_classes": (AllowAny,)}

    def operations(self) -> dict[str, Any]:
        tokens = {kind: body for kind, body in _signed_in().items() if kind == "jwt"}
        operation = extend_schema(
            operation_id="obtainToken",
            summary="Tokens for a password",
            description="Signs a permanent user in by name or address and password.",
            tags=TAGS,
            request=bodies.AnonauthTokenSerializer,
            parameters=[RETRY_AFTER],
            examples=[*asked(examples.LOGIN), *answered(tokens or _signed_in(), 200)],
            responses={
                200: OpenApiResponse(bodies.signed_in_with_tokens(), "The user and his tokens."),
                **refusals(
                    *BAD_BODY, *LIMITS, "invalid_credentials", "mfa_required", "email_not_verified"
                ),
            },
        )
        return {"post": operation}
