"""The endpoints in the schema. The views themselves know nothing of it."""

# mypy: allow-untyped-calls
# Reason: the extensions of drf-spectacular register themselves in an __init_subclass__ without annotations.

from __future__ import annotations

from abc import abstractmethod
from typing import Any, cast

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from anonauth.contrib.spectacular import bodies, examples
from anonauth.contrib.spectacular.examples import answered, asked
from anonauth.contrib.spectacular.refusals import (
    BAD_ACCESS_TOKEN,
    BAD_BODY,
    BAD_REFRESH_TOKEN,
    RETRY_AFTER,
    refusals,
)
from anonauth.credentials import allowed_credentials

TAGS = ["Anonymous users"]
NO_CREDENTIALS = ("not_authenticated", *BAD_ACCESS_TOKEN)

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 16, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
    OpenApiParameter.HEADER,
    description="A value that nobody can guess, e.g. a UUID. Parallel and repeated requests with the same key "
    "get the same guest, for some minutes.",
)


class Endpoint(OpenApiViewExtension):
    """Documents the methods of one view; a project's subclass of the view is documented too."""

    match_subclasses = True
    attributes: dict[str, Any] = {}

    def view_replacement(self) -> type[APIView]:
        documented = type(self.target.__name__, (self.target,), dict(self.attributes))
        return cast("type[APIView]", extend_schema_view(**self.operations())(documented))

    @abstractmethod
    def operations(self) -> dict[str, Any]:
        """Return ``extend_schema`` by the name of the view's method."""


class Anonymous(Endpoint):
    target_class = "anonauth.api.views.AnonymousView"
    # Nobody needs credentials here: adds the empty alternative to `security`.
    attributes = {"permission_classes": (AllowAny,)}

    def operations(self) -> dict[str, Any]:
        kinds = allowed_credentials()
        shown = {kind: body for kind, body in examples.SIGNED_IN.items() if kind in kinds}
        created = (
            "A new guest. With the credentials `session` the answer sets the session's cookie."
        )
        again = "The same guest with fresh credentials: the request carried his, or his Idempotency-Key."
        operation = extend_schema(
            operation_id="signInAnonymously",
            summary="Sign in anonymously",
            description="Makes the visitor a guest, that is a real user who has not proved an identity yet.",
            tags=TAGS,
            request=bodies.sign_in_body(),
            parameters=[IDEMPOTENCY_KEY, RETRY_AFTER],
            examples=[*asked(examples.SIGN_IN), *answered(shown, 200, 201)],
            responses={
                201: OpenApiResponse(bodies.signed_in(), created),
                200: OpenApiResponse(bodies.signed_in(), again),
                **refusals(
                    *BAD_BODY,
                    *BAD_ACCESS_TOKEN,
                    "captcha_failed",
                    "anonymous_disabled",
                    "automated_client",
                    "cross_site",
                    "csrf_failed",
                    "impersonated",
                    "already_permanent",
                    "idempotency_key_used",
                    "rate_limited",
                    "rate_limit_unavailable",
                    "captcha_unavailable",
                    "capacity_reached",
                    "usernames_exhausted",
                    "database_unavailable",
                ),
            },
        )
        return {"post": operation}


class User(Endpoint):
    target_class = "anonauth.api.views.UserView"

    def operations(self) -> dict[str, Any]:
        users = {"A guest": examples.GUEST, "A permanent user": examples.PERMANENT}
        get = extend_schema(
            operation_id="getUser",
            summary="Who is signed in",
            description="Tells who is signed in, guest or permanent.",
            tags=TAGS,
            examples=answered(users, 200),
            responses={
                200: OpenApiResponse(bodies.AnonauthUserAtHandSerializer, "The user at hand."),
                **refusals(*NO_CREDENTIALS, "database_unavailable"),
            },
        )
        delete = extend_schema(
            operation_id="deleteUser",
            summary="Delete a guest",
            description="Deletes the guest at hand with all that is his, at once and for good.",
            tags=TAGS,
            responses={
                204: OpenApiResponse(description="Deleted."),
                **refusals(
                    *NO_CREDENTIALS,
                    "csrf_failed",
                    "not_anonymous",
                    "protected_data",
                    "database_unavailable",
                ),
            },
        )
        return {"get": get, "delete": delete}


class SignOut(Endpoint):
    target_class = "anonauth.api.views.SignOutView"

    def operations(self) -> dict[str, Any]:
        renewed = (
            "Only with the scope `others`: this client stays signed in, with fresh credentials."
        )
        confirmed = {"A guest who knows what he loses": {"lose_data": True}}
        operation = extend_schema(
            operation_id="signOut",
            summary="Sign out",
            description="Ends this credential, the others or all. A guest cannot come back, so he has to confirm.",
            tags=TAGS,
            request=bodies.AnonauthSignOutSerializer,
            examples=[*asked(confirmed), *answered({"jwt": examples.TOKENS, "session": {}}, 200)],
            responses={
                204: OpenApiResponse(description="Signed out."),
                200: OpenApiResponse(bodies.AnonauthRenewedSerializer, renewed),
                **refusals(
                    *BAD_BODY,
                    *NO_CREDENTIALS,
                    "csrf_failed",
                    "would_lose_data",
                    "scope_unavailable",
                    "database_unavailable",
                ),
            },
        )
        return {"post": operation}


class Settings(Endpoint):
    target_class = "anonauth.api.views.SettingsView"
    attributes = {"permission_classes": (AllowAny,)}

    def operations(self) -> dict[str, Any]:
        operation = extend_schema(
            operation_id="getSettings",
            summary="How one signs in here",
            description="Tells a client what it needs to draw its sign-in page; may be cached for a minute.",
            tags=TAGS,
            examples=answered(examples.SETTINGS, 200),
            responses={200: OpenApiResponse(bodies.AnonauthSettingsSerializer, "The settings.")},
        )
        return {"get": operation}


class TokenRefresh(Endpoint):
    target_class = "anonauth.contrib.simplejwt.views.TokenRefreshView"
    attributes = {"permission_classes": (AllowAny,)}

    def operations(self) -> dict[str, Any]:
        fresh = {name: value for name, value in examples.TOKENS.items() if name != "refresh"}
        operation = extend_schema(
            operation_id="refreshToken",
            summary="Fresh tokens",
            description="Gives a fresh access token for a refresh token; its claims come from the user's row.",
            tags=TAGS,
            request=bodies.AnonauthRefreshSerializer,
            examples=[
                *asked({"A refresh token": {"refresh": examples.TOKENS["refresh"]}}),
                *answered({"An access token": fresh, "Rotated": examples.TOKENS}, 200),
            ],
            responses={
                200: OpenApiResponse(bodies.AnonauthRefreshedSerializer, "Fresh tokens."),
                **refusals(*BAD_BODY, *BAD_REFRESH_TOKEN, "database_unavailable"),
            },
        )
        return {"post": operation}
