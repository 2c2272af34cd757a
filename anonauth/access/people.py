"""The people of the probe, who exist in memory only, and their requests."""

from __future__ import annotations

import uuid
from io import BytesIO
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from anonauth.access.verdicts import GUEST, PERMANENT, SUPERUSER, VISITOR
from anonauth.models import GuestMixin
from anonauth.registry import access_libraries

#: What Django's and other backends would ask the database for: these people have no rights of their own.
PERMISSION_CACHES = ("_perm_cache", "_user_perm_cache", "_group_perm_cache")


class MemorySession(SessionBase):
    """A session that is stored nowhere."""

    def exists(self, session_key: str) -> bool:
        return False

    def create(self) -> None:
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        return

    def delete(self, session_key: str | None = None) -> None:
        return

    def load(self) -> dict[str, Any]:
        return {}


def people() -> dict[str, Any]:
    """Return the four users, by the names of :data:`~anonauth.access.verdicts.PEOPLE`; none of them is a row."""
    model = get_user_model()
    if not issubclass(model, GuestMixin):
        raise ImproperlyConfigured("AUTH_USER_MODEL does not inherit from GuestMixin: E001.")
    return {
        VISITOR: AnonymousUser(),
        GUEST: _user(model, 1, is_guest=True),
        PERMANENT: _user(model, 2),
        SUPERUSER: _user(model, 3, is_staff=True, is_superuser=True),
    }


def _user(model: Any, number: int, **flags: Any) -> Any:
    names = {field.name for field in model._meta.get_fields()}
    user = model(**{k: v for k, v in flags.items() if k in names})
    user.pk = _key(model, number)
    for name in flags.keys() - names:
        setattr(user, name, flags[name])
    if "is_active" in names:
        user.is_active = True
    if not user.get_username():
        setattr(user, model.USERNAME_FIELD, f"probe-{number}")
    # No hash of anything: it makes has_usable_password() answer as it would for such a person.
    user.password = "!" if user.is_guest else "probe"
    for name in PERMISSION_CACHES:
        setattr(user, name, set())
    user._state.adding = False
    return user


def _key(model: Any, number: int) -> Any:
    kind = model._meta.pk.get_internal_type()
    if kind == "UUIDField":
        return uuid.UUID(int=number)
    return f"probe-{number}" if kind in {"CharField", "SlugField", "TextField"} else -number


def request_of(user: Any, method: str, path: str) -> HttpRequest:
    """Return a request as it would be when the project's middleware had recognized its user."""
    request = WSGIRequest(_environ(method, path))

    async def auser() -> Any:
        return user

    request.user = user
    request.auser = auser
    request.session = MemorySession()
    for library in access_libraries:
        request.session.update(library.session(user))
    given: dict[str, Any] = {
        "_dont_enforce_csrf_checks": True,  # as Django's test client says it
        "_force_auth_user": user,  # as REST framework's test client says it
        "_force_auth_token": None,
    }
    for name, value in given.items():
        setattr(request, name, value)
    return request


def _environ(method: str, path: str) -> dict[str, Any]:
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": _host(),
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": "0",
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(b""),
        "wsgi.errors": BytesIO(),
    }
    # SECURE_SSL_REDIRECT would send everybody on before any guard was asked.
    if header := django_settings.SECURE_PROXY_SSL_HEADER:
        environ[header[0]] = header[1]
    return environ


def _host() -> str:
    allowed = [host for host in django_settings.ALLOWED_HOSTS if host not in {"*", "[::1]"}]
    return allowed[0].lstrip(".").partition(":")[0] if allowed else "localhost"
