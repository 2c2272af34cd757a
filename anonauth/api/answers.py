"""What several endpoints answer with: a user and the credentials that are his now."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from anonauth.adapter import get_adapter
from anonauth.credentials import Credentials, allowed_credentials


def kind_at_hand(request: Request) -> Credentials:
    """Return the kind of credential that an authenticated request carries."""
    by = request.successful_authenticator
    kinds = allowed_credentials().values()
    return next(k for k in kinds if type(by) is import_string(k.authentication_class))


def signed_in(
    request: Request, kind: Credentials, user: Any, code: int = status.HTTP_200_OK
) -> Response:
    """Answer with the user and fresh credentials of a kind."""
    body = {"user": get_adapter().user_payload(user), "credentials": kind.name}
    return Response(body | kind.issue(request._request, user), status=code)
