"""Guards for views, function and async ones, with or without parentheses.

The visitor is sent to the login page, as by Django's ``login_required``; the guest to where he can upgrade. For
class-based views see ``anonauth.mixins``, for REST framework ``anonauth.api.permissions``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar, overload

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from anonauth.access.mark import DECIDED, MARK
from anonauth.api.refusals import refuse_in_json, send_away, wants_json
from anonauth.conf import get_settings
from anonauth.exceptions import AutomatedClient, NotAnonymous
from anonauth.guards import SAFE_METHODS
from anonauth.models import is_guest, is_permanent
from anonauth.shortcuts import asign_in, sign_in

View = Callable[..., Any]
V = TypeVar("V", bound=View)
Guard = Callable[[HttpRequest, Any], HttpResponseBase | None]


@overload
def permanent_required(view: V) -> V: ...
@overload
def permanent_required(
    *,
    login_url: str | None = ...,
    upgrade_url: str | None = ...,
    redirect_field_name: str = ...,
) -> Callable[[V], V]: ...
def permanent_required(
    view: View | None = None,
    *,
    login_url: str | None = None,
    upgrade_url: str | None = None,
    redirect_field_name: str = REDIRECT_FIELD_NAME,
) -> Any:
    """Let permanent users in; send a visitor to log in and a guest to upgrade, both with the way back.

    A script that asks for JSON rather than a page is answered 401, or 403 ``permanent_user_required``.

    Args:
        view: the view, when used without parentheses.
        login_url: URL or URL name for visitors; default: LOGIN_URL.
        upgrade_url: URL or URL name for guests; default: ANONAUTH_UPGRADE_URL, else LOGIN_URL.
        redirect_field_name: the parameter that carries the way back.
    """

    def guard(request: HttpRequest, user: Any) -> HttpResponseBase | None:
        if is_permanent(user):
            return None
        if wants_json(request):
            return refuse_in_json(user)
        target = login_url
        if is_guest(user):
            target = upgrade_url or get_settings().upgrade_url or login_url
        return send_away(request, target, redirect_field_name)

    return _decorator(guard, view)


@overload
def guest_required(view: V) -> V: ...
@overload
def guest_required(
    *,
    login_url: str | None = ...,
    permanent_url: str | None = ...,
    redirect_field_name: str = ...,
) -> Callable[[V], V]: ...
def guest_required(
    view: View | None = None,
    *,
    login_url: str | None = None,
    permanent_url: str | None = None,
    redirect_field_name: str = REDIRECT_FIELD_NAME,
) -> Any:
    """Let guests in; send a visitor to log in and a permanent user away.

    Args:
        view: the view, when used without parentheses.
        login_url: URL or URL name for visitors; default: LOGIN_URL.
        permanent_url: URL or URL name for permanent users; default: LOGIN_REDIRECT_URL.
        redirect_field_name: the parameter that carries a visitor's way back.
    """

    def guard(request: HttpRequest, user: Any) -> HttpResponseBase | None:
        if is_guest(user) and user.is_active:
            return None
        if wants_json(request):
            return refuse_in_json(user, refusal=NotAnonymous())
        if is_permanent(user):
            return redirect(permanent_url or django_settings.LOGIN_REDIRECT_URL)
        return send_away(request, login_url, redirect_field_name)

    return _decorator(guard, view, mark="guest_required")


@overload
def sign_in_guest(view: V) -> V: ...
@overload
def sign_in_guest() -> Callable[[V], V]: ...
def sign_in_guest(view: View | None = None) -> Any:
    """Make a visitor a guest before the view runs, in requests that write; reading never makes one.

    A known robot stays a visitor and the view runs. Any other refusal is raised, for ``GuestMiddleware`` to answer.

    Args:
        view: the view, when used without parentheses.
    """

    decorate = guests_allowed(reason="sign_in_guest")
    if view is None:
        return lambda view: decorate(_signing_in(view))
    return decorate(_signing_in(view))


def _signing_in(view: View) -> View:
    if iscoroutinefunction(view):

        @wraps(view)
        async def awrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.method not in SAFE_METHODS:
                with suppress(AutomatedClient):
                    await asign_in(request)
            return await view(request, *args, **kwargs)

        return awrapped

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method not in SAFE_METHODS:
            with suppress(AutomatedClient):
                sign_in(request)
        return view(request, *args, **kwargs)

    return wrapped


@overload
def guests_allowed(view: V) -> V: ...
@overload
def guests_allowed(*, reason: str = ...) -> Callable[[V], V]: ...
def guests_allowed(view: Any = None, *, reason: str = DECIDED) -> Any:
    """Say that guests are meant to get in: to the access audit, and to ``PermanentUserRequiredMiddleware``.

    For functions, classes, REST framework's views and single handlers or actions. It opens nothing else: other guards
    stay.

    Args:
        view: what is marked, when used without parentheses.
        reason: why, for whoever reads the audit.
    """

    def decorate(view: V) -> V:
        setattr(view, MARK, reason)
        return view

    return decorate if view is None else decorate(view)


def _decorator(guard: Guard, view: View | None, mark: str | None = None) -> Any:
    def decorate(view: View) -> View:
        guarded = _guarded(guard, view)
        if mark is not None:
            setattr(guarded, MARK, mark)
        return guarded

    return decorate if view is None else decorate(view)


def _guarded(guard: Guard, view: View) -> View:
    if iscoroutinefunction(view):

        @wraps(view)
        async def awrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refusal = await sync_to_async(guard)(request, await request.auser())
            return refusal or await view(request, *args, **kwargs)

        return awrapped

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return guard(request, request.user) or view(request, *args, **kwargs)

    return wrapped
