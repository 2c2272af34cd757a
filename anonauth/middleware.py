"""For server-rendered sites; its place is after Django's ``AuthenticationMiddleware``."""

from __future__ import annotations

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.utils.deprecation import MiddlewareMixin

from anonauth.api.errors import retry_after, status_of
from anonauth.exceptions import AnonauthError
from anonauth.flows.last_seen import SETS_COOKIE, remember_visit
from anonauth.models import is_guest
from anonauth.refusals import refuse


class GuestMiddleware(MiddlewareMixin):
    """Answers refusals with a page, keeps answers that signed somebody in out of caches, remembers visits of guests."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Render ``anonauth/refused.html`` for a refusal that the view did not catch."""
        if not isinstance(exception, AnonauthError):
            return None
        refuse(exception.code, request)
        context = {"code": exception.code, "message": exception.message}
        response = render(request, "anonauth/refused.html", context, status=status_of(exception))
        for name, value in retry_after(exception).items():
            response[name] = value
        patch_cache_control(response, private=True, no_store=True)
        return response

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Mark the answer private if it carries a new guest's cookie; touch ``last_seen_at``."""
        if _knows_its_user(request) and is_guest(request.user):
            remember_visit(request, request.user)
        if SETS_COOKIE in request.META:
            # SECURITY: Set-Cookie in a cached answer would give one guest to many visitors.
            patch_cache_control(response, private=True, no_store=True)
        return response


def _knows_its_user(request: HttpRequest) -> bool:
    # A view that did not look at the session costs no query here, and its answer no ``Vary: Cookie``.
    session = getattr(request, "session", None)
    return session is not None and session.accessed and SESSION_KEY in session
