"""For server-rendered sites; its place is after Django's ``AuthenticationMiddleware``."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.utils.deprecation import MiddlewareMixin

from anonauth.access.mark import marked
from anonauth.api.errors import body_of, retry_after, status_of
from anonauth.api.refusals import refuse_in_json, send_away, upgrade_url, wants_json
from anonauth.conf import get_settings
from anonauth.exceptions import AnonauthError, ForPermanentUsers
from anonauth.flows.last_seen import SETS_COOKIE, remember_visit
from anonauth.guards import SAFE_METHODS
from anonauth.models import is_guest, is_permanent
from anonauth.refusals import refuse


class GuestMiddleware(MiddlewareMixin):
    """Answers refusals with a page, keeps answers that signed somebody in out of caches, remembers visits of guests."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Render ``anonauth/refused.html`` for a refusal that the view did not catch."""
        if not isinstance(exception, AnonauthError):
            return None
        refuse(exception.code, request)
        if wants_json(request):
            response: HttpResponse = JsonResponse(body_of(exception), status=status_of(exception))
        else:
            context = {
                "code": exception.code,
                "message": exception.message,
                "upgrade_url": _way_up(request, exception),
            }
            status = status_of(exception)
            response = render(request, "anonauth/refused.html", context, status=status)
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


class PermanentUserRequiredMiddleware(LoginRequiredMiddleware):
    """Django's ``LoginRequiredMiddleware`` for permanent users: what nobody has decided about is closed to guests.

    Open are views with Django's ``login_not_required``, to everybody, and with ``guests_allowed``, to guests. Views of
    REST framework decide for themselves, by DEFAULT_PERMISSION_CLASSES. Its place is after
    ``AuthenticationMiddleware``, and after allauth's ``AccountMiddleware`` if there is one.
    """

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        user = request.user
        if is_permanent(user) or not getattr(view_func, "login_required", True):
            return None
        if is_guest(user) and marked(view_func, request.method or "") is not None:
            return None
        refusal: HttpResponseBase = self.handle_no_permission(request, view_func)
        return refusal

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> Any:
        """Send a visitor to log in and a guest to upgrade, and answer a script in JSON."""
        if wants_json(request):
            return refuse_in_json(request.user)
        if not is_guest(request.user):
            return super().handle_no_permission(request, view_func)
        target = get_settings().upgrade_url or self.get_login_url(view_func)
        return send_away(request, target, self.get_redirect_field_name(view_func))


def _way_up(request: HttpRequest, refusal: AnonauthError) -> str:
    """Return where a guest lifts a refusal, with the way back to what he can load again; "" if it is none of these."""
    if not isinstance(refusal, ForPermanentUsers):
        return ""
    back = request.get_full_path() if request.method in SAFE_METHODS else ""
    return upgrade_url(back)


def _knows_its_user(request: HttpRequest) -> bool:
    # A view that did not look at the session costs no query here, and its answer no ``Vary: Cookie``.
    session = getattr(request, "session", None)
    return session is not None and session.accessed and SESSION_KEY in session
