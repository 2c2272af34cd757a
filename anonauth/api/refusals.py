"""How views that are not REST framework's turn somebody away: a page's visitor by a redirect, a script in JSON."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings as django_settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import resolve_url
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from anonauth.adapter import get_adapter
from anonauth.api.errors import body_of, status_of
from anonauth.conf import get_settings
from anonauth.exceptions import AnonauthError, PermanentUserRequired

PAGE, JSON = "text/html", "application/json"


def wants_json(request: HttpRequest) -> bool:
    """Tell whether the client would rather read JSON than a page, as a script of a page says by ``Accept``."""
    return request.get_preferred_type([PAGE, JSON]) == JSON


def refuse_in_json(user: Any, *, refusal: AnonauthError | None = None) -> JsonResponse:
    """Answer 401 ``not_authenticated`` to a visitor, and the refusal to others; with the ways to upgrade.

    Args:
        user: who asked.
        refusal: default: :class:`~anonauth.exceptions.PermanentUserRequired`.
    """
    if not user.is_authenticated:
        body = {"code": "not_authenticated", "detail": _("Sign in first.")}
        return _private(JsonResponse(body, status=401))
    error = refusal or PermanentUserRequired(get_adapter().upgrade_methods())
    return _private(JsonResponse(body_of(error), status=status_of(error)))


def send_away(request: HttpRequest, url: str | None, field_name: str) -> HttpResponseBase:
    """Redirect to a page, by default LOGIN_URL, with the way back."""
    # Like Django's user_passes_test, but with the path alone, which can point to no other site.
    target = resolve_url(url or django_settings.LOGIN_URL)
    return redirect_to_login(request.get_full_path(), target, field_name)


def upgrade_url(back: str = "") -> str:
    """Return the page on which a guest upgrades, ANONAUTH_UPGRADE_URL or else LOGIN_URL, with the way back."""
    target = resolve_url(get_settings().upgrade_url or django_settings.LOGIN_URL)
    return f"{target}?{urlencode({REDIRECT_FIELD_NAME: back})}" if back else target


def _private(response: JsonResponse) -> JsonResponse:
    response["Cache-Control"] = "private, no-store"
    patch_vary_headers(response, ["Accept", "Cookie"])
    return response
