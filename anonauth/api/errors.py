"""The one shape of errors, and the only place that knows the HTTP status of a code."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from anonauth.exceptions import (
    AnonauthError,
    CodeIncorrect,
    Conflict,
    DatabaseUnavailable,
    ForPermanentUsers,
    InvalidInput,
    MergeConflict,
    RateLimited,
)
from anonauth.refusals import refuse

logger = logging.getLogger("anonauth")

STATUS: dict[str, int] = {
    "invalid": status.HTTP_400_BAD_REQUEST,
    "captcha_failed": status.HTTP_400_BAD_REQUEST,
    "anonymous_disabled": status.HTTP_403_FORBIDDEN,
    "automated_client": status.HTTP_403_FORBIDDEN,
    "cross_site": status.HTTP_403_FORBIDDEN,
    "not_anonymous": status.HTTP_403_FORBIDDEN,
    "impersonated": status.HTTP_403_FORBIDDEN,
    "quota_exceeded": status.HTTP_403_FORBIDDEN,
    "signup_closed": status.HTTP_403_FORBIDDEN,
    "mfa_required": status.HTTP_403_FORBIDDEN,
    "email_not_verified": status.HTTP_403_FORBIDDEN,
    "database_refused": status.HTTP_403_FORBIDDEN,
    "already_permanent": status.HTTP_409_CONFLICT,
    "would_lose_data": status.HTTP_409_CONFLICT,
    "scope_unavailable": status.HTTP_409_CONFLICT,
    "idempotency_key_used": status.HTTP_409_CONFLICT,
    "protected_data": status.HTTP_409_CONFLICT,
    "code_incorrect": status.HTTP_400_BAD_REQUEST,
    "invalid_credentials": status.HTTP_401_UNAUTHORIZED,
    "provider_token_invalid": status.HTTP_400_BAD_REQUEST,
    "ticket_invalid": status.HTTP_400_BAD_REQUEST,
    "user_not_found": status.HTTP_401_UNAUTHORIZED,
    "user_inactive": status.HTTP_401_UNAUTHORIZED,
    "method_unavailable": status.HTTP_404_NOT_FOUND,
    "no_pending_upgrade": status.HTTP_409_CONFLICT,
    "password_exists": status.HTTP_409_CONFLICT,
    "email_taken": status.HTTP_409_CONFLICT,
    "phone_taken": status.HTTP_409_CONFLICT,
    "identity_taken": status.HTTP_409_CONFLICT,
    "merge_conflict": status.HTTP_409_CONFLICT,
    "permanent_user_required": status.HTTP_403_FORBIDDEN,
    "guest_proof_invalid": status.HTTP_400_BAD_REQUEST,
    "login_required": status.HTTP_403_FORBIDDEN,
    "no_merge_offer": status.HTTP_404_NOT_FOUND,
    "rate_limited": status.HTTP_429_TOO_MANY_REQUESTS,
    "delivery_failed": status.HTTP_503_SERVICE_UNAVAILABLE,
    "rate_limit_unavailable": status.HTTP_503_SERVICE_UNAVAILABLE,
    "captcha_unavailable": status.HTTP_503_SERVICE_UNAVAILABLE,
    "provider_unavailable": status.HTTP_503_SERVICE_UNAVAILABLE,
    "capacity_reached": status.HTTP_503_SERVICE_UNAVAILABLE,
    "usernames_exhausted": status.HTTP_503_SERVICE_UNAVAILABLE,
    "database_unavailable": status.HTTP_503_SERVICE_UNAVAILABLE,
}


class BodyTooLarge(exceptions.APIException):
    """The body is larger than any honest one."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = _("The request body is too large.")
    default_code = "body_too_large"


def status_of(error: AnonauthError) -> int:
    """Return the HTTP status of a refusal."""
    return STATUS[error.code]


def body_of(error: AnonauthError) -> dict[str, Any]:
    """Return what a client is told of a refusal."""
    return {"code": error.code, "detail": str(error.message), **_details(error)}


def retry_after(error: AnonauthError) -> dict[str, str]:
    """Return the ``Retry-After`` header of a refusal that has one."""
    return {"Retry-After": str(error.retry_after)} if isinstance(error, RateLimited) else {}


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer any refusal in the shape ``{"code", "detail", "fields"?}``.

    Usable as REST framework's ``EXCEPTION_HANDLER``; anonauth's own views use it in any case.
    """
    answer = _answer(error)
    if answer is not None:
        set_rollback()
        refuse(answer.data["code"], context["request"])
    return answer


def _answer(error: Exception) -> Response | None:
    if isinstance(error, AnonauthError):
        return Response(body_of(error), status=status_of(error), headers=retry_after(error))
    if isinstance(error, RequestDataTooBig):
        error = BodyTooLarge()
    elif isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        return _of_rest_framework(error)
    if isinstance(error, DataError):
        # A value that no serializer objected to and the database cannot hold, e.g. a NUL character in JSON.
        return Response(
            {"code": "invalid", "detail": str(InvalidInput({}).message)}, STATUS["invalid"]
        )
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("The database does not answer.", exc_info=error)
        return _answer(DatabaseUnavailable())
    return None


def _details(error: AnonauthError) -> dict[str, Any]:
    match error:
        case InvalidInput():
            return {"fields": error.fields}
        case CodeIncorrect():
            return {"attempts_left": error.attempts_left}
        case MergeConflict():
            return {"conflicts": [asdict(conflict) for conflict in error.conflicts]}
        case Conflict():
            return {"merge_ticket": error.merge_ticket}
        case ForPermanentUsers():
            return dict(error.facts)
    return {}


def _of_rest_framework(error: exceptions.APIException) -> Response:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if isinstance(error, exceptions.ValidationError):
        refusal = InvalidInput(dict(flatten(error.get_full_details())))
        body = body_of(refusal)
    else:
        body = _code_and_detail(error)
    return Response(body, status=error.status_code, headers=headers)


def _code_and_detail(error: exceptions.APIException) -> dict[str, Any]:
    # simplejwt puts {"detail", "code", "messages"} into the detail, the last about classes of its own;
    # a permission may bring {"code", "detail", …}.
    detail = error.detail
    if isinstance(detail, dict):
        code = str(detail.get("code", error.default_code))
        more = {name: value for name, value in detail.items() if name != "messages"}
        return {**more, "code": code, "detail": str(detail.get("detail", error.default_detail))}
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else error.default_code
    return {"code": code, "detail": str(detail)}


def flatten(details: Any, prefix: str = "") -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Yield (dotted field name, faults) from REST framework's nested ``get_full_details()``."""
    if isinstance(details, list):
        faults = [
            {"code": str(fault["code"]), "message": str(fault["message"])}
            for fault in details
            if "message" in fault
        ]
        if faults:
            yield prefix or "non_field_errors", faults
        return
    for name, inner in details.items():
        yield from flatten(inner, f"{prefix}.{name}" if prefix else str(name))
