"""For whom statements are sent: the user of the request, or whom the code names with ``as_user()`` and the like.

Nothing here talks to the database. The claims are the ones that PostgREST and Supabase made standard, so that policies
which were written for those work unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from anonauth.adapter import get_adapter
from anonauth.conf import get_settings
from anonauth.models import is_permanent

VISITOR = ""
SERVICE = '{"role":"service_role"}'
GUEST = '{"role":"authenticated","is_anonymous":true}'
PERMANENT = '{"role":"authenticated","is_anonymous":false}'


class Speaker(Protocol):
    """Knows the claims at the moment in which a statement is sent."""

    def claims(self, *, must_know: bool) -> str:
        """Return the claims as JSON, "" for a visitor.

        Args:
            must_know: False for a statement that no policy looks at: then nobody is loaded for its sake.
        """


class Named:
    """Says the same each time."""

    def __init__(self, text: str) -> None:
        self._text = text

    def claims(self, *, must_know: bool) -> str:
        return self._text


class OfUser:
    """Reads the user's instance each time, so that an upgrade counts at once."""

    def __init__(self, user: Any) -> None:
        self._user = user

    def claims(self, *, must_know: bool) -> str:
        return claims_of(self._user)


class OfRequest:
    """Asks ``request.user`` each time: REST framework replaces it when it has read the token."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def claims(self, *, must_know: bool) -> str:
        if _loading.get():
            return VISITOR  # the very queries that find out who it is
        user = getattr(self._request, "user", None)
        if user is None or (not must_know and _is_unknown_yet(user)):
            return VISITOR
        token = _loading.set(True)
        try:
            return claims_of(user)
        finally:
            _loading.reset(token)


_encoder = json.JSONEncoder(separators=(",", ":"), default=str)

# SECURITY: context variables, not globals or thread locals: neither another thread nor another async task may ever
# speak for this user. A thread that is started by hand begins without anybody, and is refused.
_speaker: ContextVar[Speaker | None] = ContextVar("anonauth_speaker", default=None)
_loading: ContextVar[bool] = ContextVar("anonauth_loading_user", default=False)


def claims_of(user: Any) -> str:
    """Return the claims of a user, of any kind and also ``AnonymousUser``, as JSON; "" for a visitor."""
    if not user.is_authenticated:
        return VISITOR
    # SECURITY: these come last. A project whose own claims hold something that users can write must not let them
    # write who they are.
    own = {"sub": str(user.pk), "role": "authenticated", "is_anonymous": not is_permanent(user)}
    return encode({**get_adapter().database_claims(user), **own})


def encode(claims: Mapping[str, Any]) -> str:
    """Return claims as JSON in ASCII without a percent sign, which a wrapper around ours could take for a parameter."""
    return _encoder.encode(claims).replace("%", "\\u0025")


def current_claims(*, must_know: bool = True) -> str:
    """Return the claims of whoever speaks now, as JSON; "" for a visitor."""
    speaker = _speaker.get()
    if speaker is not None:
        return speaker.claims(must_know=must_know)
    outside = get_settings().row_security_outside_requests
    return SERVICE if outside == "service" else VISITOR


@contextmanager
def speaking(speaker: Speaker) -> Iterator[None]:
    """Let a speaker speak for all statements of the block."""
    token = _speaker.set(speaker)
    try:
        yield
    finally:
        _speaker.reset(token)


@contextmanager
def as_user(user: Any) -> Iterator[None]:
    """Send the statements of the block for a user: a task on his behalf, a test, a look at what he sees."""
    with speaking(OfUser(user)):
        yield


@contextmanager
def as_guest() -> Iterator[None]:
    """Send the statements of the block for a guest who has no row."""
    with speaking(Named(GUEST)):
        yield


@contextmanager
def as_visitor() -> Iterator[None]:
    """Send the statements of the block for nobody."""
    with speaking(Named(VISITOR)):
        yield


@contextmanager
def as_service() -> Iterator[None]:
    """Send the statements of the block for the site itself: migrations of data, commands, tasks for everybody."""
    with speaking(Named(SERVICE)):
        yield


def _is_unknown_yet(user: Any) -> bool:
    return isinstance(user, LazyObject) and user._wrapped is empty
