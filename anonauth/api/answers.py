"""What several endpoints answer with: a user and the credentials that are his now."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from anonauth.adapter import get_adapter
from anonauth.credentials import Credentials, allowed_credentials
from anonauth.models import is_permanent
from anonauth.offers import offered_guest


def kind_at_hand(request: Request) -> Credentials:
    """Return the kind of credential that an authenticated request carries."""
    by = request.successful_authenticator
    kinds = allowed_credentials().values()
    return next(k for k in kinds if type(by) is import_string(k.authentication_class))


def offered(request: Request) -> Any | None:
    """Return the guest, or the trace of him, whom a login has left in the session at hand; None for a guest's own.

    See :func:`anonauth.offers.offered_guest`.
    """
    user, by = request.user, request.successful_authenticator
    if not is_permanent(user):
        return None
    for kind in allowed_credentials().values():
        if type(by) is import_string(kind.authentication_class):
            session = kind.session_of(request._request, user)
            return offered_guest(session, account=user)
    return None  # a project's own authentication class


def signed_in(
    request: Request, kind: Credentials, user: Any, code: int = status.HTTP_200_OK
) -> Response:
    """Answer with the user and fresh credentials of a kind."""
    body = {"user": get_adapter().user_payload(user), "credentials": kind.name}
    return Response(body | kind.issue(request._request, user), status=code)
