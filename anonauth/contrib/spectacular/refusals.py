"""What the endpoints refuse: the one shape of errors, and the answers of each status with their codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.functional import Promise
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from drf_spectacular.utils import inline_serializer as inline
from rest_framework import exceptions, serializers, status

from anonauth.api.errors import STATUS, BodyTooLarge
from anonauth.contrib.spectacular.fields import NamedEnum
from anonauth.exceptions import AnonauthError

#: The refusals that REST framework makes on our endpoints.
REST_FRAMEWORK: tuple[type[exceptions.APIException], ...] = (
    exceptions.ParseError,
    exceptions.AuthenticationFailed,
    exceptions.NotAuthenticated,
    exceptions.PermissionDenied,
    exceptions.NotFound,
    exceptions.MethodNotAllowed,
    exceptions.UnsupportedMediaType,
    BodyTooLarge,
)

#: Those of the classes that recognize credentials, and of the permissions.
CREDENTIALS: dict[str, tuple[int, str]] = {
    "bad_authorization_header": (
        401,
        "Authorization header must contain two space-delimited values",
    ),
    "token_not_valid": (401, "Given token not valid for any token type"),
    "token_revoked": (401, "This token has been revoked."),
    "token_stale": (401, "This token is out of date; refresh it."),
    "user_inactive": (401, "This user is not active."),
    "user_not_found": (401, "User not found"),
    "csrf_failed": (403, "CSRF Failed: CSRF token missing."),
}

BAD_ACCESS_TOKEN = (
    "bad_authorization_header",
    "token_not_valid",
    "token_revoked",
    "token_stale",
    "user_inactive",
    "user_not_found",
)
BAD_REFRESH_TOKEN = ("token_not_valid", "token_revoked", "user_inactive", "user_not_found")
BAD_BODY = ("invalid", "parse_error", "body_too_large", "unsupported_media_type")

RETRY_AFTER = OpenApiParameter(
    "Retry-After",
    int,
    OpenApiParameter.HEADER,
    description="Whole seconds until the next attempt can succeed.",
    response=[status.HTTP_429_TOO_MANY_REQUESTS],
)


def _ours(base: type[AnonauthError] = AnonauthError) -> Iterator[type[AnonauthError]]:
    for refusal in base.__subclasses__():
        yield refusal
        yield from _ours(refusal)


def _known() -> dict[str, tuple[int, str | Promise]]:
    texts = {refusal.code: refusal.default_message for refusal in _ours()}
    texts["database_unavailable"] = "Try again soon."
    known: dict[str, tuple[int, str | Promise]] = {
        code: (number, texts[code]) for code, number in STATUS.items()
    }
    for refusal in REST_FRAMEWORK:
        known[refusal.default_code] = (refusal.status_code, str(refusal.default_detail))
    return known | CREDENTIALS


#: Code -> (HTTP status, the text of an example).
REFUSALS = _known()

CODE_HELP = "Stable; new codes may come, so go by the status where you do not know one."

Fault = inline(
    "AnonauthFault", {"code": serializers.CharField(), "message": serializers.CharField()}
)


class AnonauthRowConflictSerializer(serializers.Serializer[Any]):
    """Rows that stand in the way of a merge."""

    relation = serializers.CharField()
    reason = serializers.CharField(help_text="`unique`, `check`, `protected` or `constraint`.")
    constraints = serializers.ListField(child=serializers.CharField())
    count = serializers.IntegerField(help_text="How many; only the first ones are named.")
    anonymous = serializers.ListField(child=serializers.CharField(), help_text="Keys of rows.")
    existing = serializers.ListField(child=serializers.CharField(), help_text="Keys of rows.")


Refusal = inline(
    "AnonauthError",
    {
        "code": NamedEnum("AnonauthErrorCode", sorted(REFUSALS), help_text=CODE_HELP),
        "detail": serializers.CharField(help_text="A sentence for people."),
        "fields": serializers.DictField(
            child=serializers.ListField(child=Fault),
            required=False,
            help_text="By dotted name of the field; only with the code `invalid`.",
        ),
        "attempts_left": serializers.IntegerField(
            required=False,
            help_text="How often the code can still be tried; only with the code `code_incorrect`.",
        ),
        "upgrade_methods": serializers.ListField(
            child=serializers.CharField(),
            required=False,
            help_text="The ways to upgrade; only with `permanent_user_required` and `quota_exceeded`.",
        ),
        "limit": serializers.IntegerField(
            required=False,
            help_text="How many rows a guest may own; only with the code `quota_exceeded`.",
        ),
        "merge_ticket": serializers.CharField(
            required=False,
            help_text="The proof that the identity is this guest's; only with the codes `…_taken`.",
        ),
        "conflicts": serializers.ListField(
            child=AnonauthRowConflictSerializer(),
            required=False,
            help_text="The rows that stand in the way; only with the code `merge_conflict`.",
        ),
    },
)


def refusals(*codes: str) -> dict[int, OpenApiResponse]:
    """Return the answers that say one of these codes, by HTTP status."""
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes, key=lambda code: REFUSALS[code][0]):
        by_status.setdefault(REFUSALS[code][0], []).append(code)
    return {number: _answer(number, found) for number, found in by_status.items()}


def _answer(number: int, codes: list[str]) -> OpenApiResponse:
    return OpenApiResponse(
        Refusal,
        description=", ".join(f"`{code}`" for code in codes),
        examples=[
            OpenApiExample(code, _body(code), response_only=True, status_codes=[str(number)])
            for code in codes
        ],
    )


def _body(code: str) -> dict[str, object]:
    body: dict[str, object] = {"code": code, "detail": str(REFUSALS[code][1])}
    if code == "invalid":
        fault = {"code": "unknown", "message": "There is no such field."}
        body["fields"] = {"captcha": [fault]}
    elif code == "code_incorrect":
        body["attempts_left"] = 2
    elif code == "merge_conflict":
        body["conflicts"] = [
            {
                "relation": "shop.Review.user",
                "reason": "unique",
                "constraints": ["one_review_each"],
                "count": 1,
                "anonymous": ["17"],
                "existing": ["4"],
            }
        ]
    elif code == "permanent_user_required":
        body["upgrade_methods"] = ["email", "social:google"]
    elif code.endswith("_taken"):
        body["merge_ticket"] = (
            "WyIwYjViIiwiN2M5ZSIsImVtYWlsIiwiMWEyYiIsIjNjNGQiXQ:1wAbCd:c2lnbmF0dXJl"
        )
    return body
