"""The door for everything that allauth takes part in: the upgrade, and then what allauth has to know of it."""

from __future__ import annotations

from typing import Any

from allauth import app_settings as allauth_settings
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from anonauth.adapter import refuse_impersonation
from anonauth.credentials import in_session
from anonauth.flows import upgrade as flow

#: What ``flows.upgrade`` may have changed on the caller's instance; ``request.user`` can be another one.
CHANGED = ("is_guest", "upgraded_at", "credentials_revoked_at", "password")

USER_SESSION = ("usersessions", "UserSession")


def upgrade(user: Any, *, method: str, request: HttpRequest | None = None) -> bool:
    """Do what :func:`anonauth.flows.upgrade.upgrade` does; the rest of the request sees a permanent user.

    Args:
        user: the guest; the instance changes with the row.
        method: how the identity was proved, e.g. ``"email"``.
        request: the request in which it was proved; whose session it carries does not matter.

    Raises:
        Impersonated: staff acts as somebody in this request.
        UserNotFound, UserInactive
    """
    if request is not None:
        refuse_impersonation(request)
    old_key = _session_key(request, user)
    happened = flow.upgrade(user, method=method, request=request)
    if happened and request is not None and in_session(request, user):
        _tell_request(request, user)
        _tell_headless(request)
        _tell_user_sessions(request, user, old_key)
    return happened


def list_session(request: HttpRequest, user: Any, *, session: Any = None) -> None:
    """Let allauth.usersessions list a new session, so that its user can see and end it; allauth does it at its logins.

    Args:
        request: the one that began it; its address and browser are noted.
        user: whose session it is.
        session: the session, if it is not that of the request.
    """
    if not allauth_settings.USERSESSIONS_ENABLED:
        return
    carrier = HttpRequest()
    carrier.META, carrier.user = request.META, user
    carrier.session = request.session if session is None else session
    rows: Any = apps.get_model(*USER_SESSION)._default_manager
    rows.create_from_request(carrier)


def _session_key(request: HttpRequest | None, user: Any) -> str | None:
    return (
        request.session.session_key if request is not None and in_session(request, user) else None
    )


def _tell_request(request: HttpRequest, user: Any) -> None:
    here = request.user
    if here.pk == user.pk and here is not user:
        for name in CHANGED:
            setattr(here, name, getattr(user, name))


def _tell_headless(request: HttpRequest) -> None:
    # The session has a new key, and with it an app's tokens have ended. allauth puts new ones into the answer only
    # where the user changed during the request, which he did not: so let it think that there was none.
    headless: Any = getattr(getattr(request, "allauth", None), "headless", None)
    if hasattr(headless, "_pre_user"):  # internal: allauth.headless.internal.authkit
        headless._pre_user = AnonymousUser()


def _tell_user_sessions(request: HttpRequest, user: Any, old_key: str | None) -> None:
    # A row of allauth.usersessions names a session by its key, and that is a new one.
    if not allauth_settings.USERSESSIONS_ENABLED or request.user.pk != user.pk:
        return
    rows: Any = apps.get_model(*USER_SESSION)._default_manager
    rows.filter(session_key=old_key).delete()
    rows.create_from_request(request)
