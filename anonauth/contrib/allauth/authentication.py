"""For ``REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"]``: the session token of allauth's headless API."""

from __future__ import annotations

from typing import Any

from allauth.headless.contrib.rest_framework.authentication import XSessionTokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from anonauth.conf import get_settings
from anonauth.flows.last_seen import touch


class SessionTokenAuthentication(XSessionTokenAuthentication):  # type: ignore[misc]  # allauth has no types
    """allauth's own, but a token that is not good is refused, and a guest's visit is remembered."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        found: tuple[Any, Any] | None = super().authenticate(request)
        if found is None and self.get_session_token(request):
            message = "This session token is not valid, or has ended."
            raise AuthenticationFailed(message, code="token_not_valid")
        if found is not None and getattr(found[0], "is_guest", False):
            touch(found[0], interval=get_settings().last_seen_interval)
        return found

    def authenticate_header(self, request: Request) -> str:
        return 'Session-Token realm="api"'
