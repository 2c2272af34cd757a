"""Recognizing a session in REST framework, with codes of ours."""

from __future__ import annotations

from typing import Any

from rest_framework import authentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from anonauth.flows.last_seen import remember_visit


class SessionAuthentication(authentication.SessionAuthentication):
    """REST framework's own, CSRF enforced, but a visitor is answered 401 rather than 403."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found is not None and getattr(found[0], "is_guest", False):
            remember_visit(request._request, found[0])
        return found

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="api"'

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as error:
            raise PermissionDenied(str(error.detail), code="csrf_failed") from error
