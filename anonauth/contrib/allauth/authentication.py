"""For ``REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"]``: the session token of allauth's headless API."""

from __future__ import annotations

from typing import Any

from allauth.headless import app_settings
from allauth.headless.contrib.rest_framework.authentication import XSessionTokenAuthentication
from django.contrib.auth import get_user
from django.http import HttpRequest
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from anonauth.adapter import get_adapter
from anonauth.conf import get_settings
from anonauth.flows.last_seen import touch


class SessionTokenAuthentication(XSessionTokenAuthentication):  # type: ignore[misc]  # allauth has no types
    """allauth's own, but a token that is not good is refused, and a guest's visit is remembered."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        token = self.get_session_token(request)
        if not token:
            return None
        session = app_settings.TOKEN_STRATEGY.lookup_session(token)
        # SECURITY: older versions of allauth do not compare the hash in the session: a revoked one would be good.
        user = user_of(session) if session is not None else None
        if user is None:
            message = "This session token is not valid, or has ended."
            raise AuthenticationFailed(message, code="token_not_valid")
        if getattr(user, "is_guest", False):
            touch(user, interval=get_settings().last_seen_interval)
        return user, session

    def authenticate_header(self, request: Request) -> str:
        return 'Session-Token realm="api"'


def user_of(session: Any) -> Any | None:
    """Return the user whose session it is, if he may use it; one that was revoked is ended."""
    carrier = HttpRequest()
    carrier.session = session
    user = carrier.user = get_user(carrier)
    # SECURITY: the key of a cookie is good as a token, and the session in which staff acts as a user says so itself.
    # Nobody would ask it: the session of the request is another one, or none.
    return user if user.is_authenticated and not get_adapter().is_impersonated(carrier) else None
