"""The kinds of credentials that sign-in issues: an extension point, and the Django session built in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

from django.conf import settings as django_settings
from django.contrib.auth import (
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user,
    load_backend,
    login,
    logout,
)
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.utils.translation import gettext

from anonauth.conf import get_settings
from anonauth.exceptions import (
    AlreadyPermanent,
    GuestProofInvalid,
    InvalidInput,
    UserNotFound,
    WouldLoseData,
)
from anonauth.models import find_user, is_permanent
from anonauth.registry import session_listeners

BUILT_IN = {
    "headless": "anonauth.contrib.allauth.credentials.HeadlessCredentials",
    "jwt": "anonauth.contrib.simplejwt.credentials.JWTCredentials",
    "session": "anonauth.credentials.SessionCredentials",
}


class Credentials(ABC):
    """One kind of credential: how it is issued, recognized and ended.

    All kinds end together when the user's ``credentials_revoked_at`` changes, so they have to depend on
    ``get_session_auth_hash()``.
    """

    name: ClassVar[str]
    #: Dotted path of the REST framework authentication class that recognizes the credential.
    authentication_class: ClassVar[str]
    #: Whether the browser stores it by itself, so that other sites can make it use it.
    sets_cookie: ClassVar[bool]
    #: Under which name a body may bring such a credential of a guest, as the proof for a merge; None: it cannot.
    proof_field: ClassVar[str | None] = None

    def check_request(self, request: HttpRequest, user: Any) -> None:  # noqa: B027  most can always
        """Refuse, before anybody is created, a request in which this kind cannot be issued to a user or visitor."""

    @abstractmethod
    def issue(self, request: HttpRequest, user: Any) -> dict[str, Any]:
        """Sign the user in and return what is added to the body of the answer."""

    @abstractmethod
    def end(self, request: HttpRequest, user: Any, data: Mapping[str, Any]) -> None:
        """End the credential of this request alone.

        Raises:
            ScopeUnavailable: this kind cannot do that.
            InvalidInput: something that it needs is not in the body.
        """

    def renew(self, request: HttpRequest, user: Any) -> dict[str, Any]:
        """Issue the credential at hand again after all have been ended; returns what is added to the body."""
        return self.issue(request, user)

    def prove(self, proof: str) -> Any:
        """Return the guest whose credential of this kind a client has sent in the body; changes nothing.

        If it is genuine and his row is gone, return the trace of him (:func:`~anonauth.models.trace_of`): he may have
        been merged by a request whose answer got lost.

        Raises:
            GuestProofInvalid: forged, expired or ended, or the user is banned or permanent; which of it is not told.
        """
        raise GuestProofInvalid

    def session_of(self, request: HttpRequest, user: Any) -> Any | None:
        """Return the user's session on the server that the credential at hand names; None where there is none."""
        return None

    def hand_over(self, request: HttpRequest, *, guest: Any, account: Any) -> dict[str, Any]:
        """Issue it to an account in the place of the guest at hand, who has been merged into it."""
        return self.issue(request, account)

    def forget(self, user: Any) -> None:  # noqa: B027  nothing stored is the common case
        """Make whatever is stored of the user's credentials useless, before he is signed out everywhere or deleted."""

    def forget_many(self, users: QuerySet[Any]) -> None:
        """Do the same for many users, who are deleted next; override it to need no statement for each of them."""
        if type(self).forget is not Credentials.forget:
            for user in users.iterator(chunk_size=500):
                self.forget(user)


class SessionCredentials(Credentials):
    """Django's session cookie."""

    name = "session"
    authentication_class = "anonauth.api.authentication.SessionAuthentication"
    sets_cookie = True

    def check_request(self, request: HttpRequest, user: Any) -> None:
        if not hasattr(request, "session"):
            message = gettext("There are no sessions here.")
            raise InvalidInput({"credentials": [{"code": "unavailable", "message": message}]})
        # SECURITY: a guest's token in a browser in which somebody else is signed in must not sign him out.
        here: Any = get_user(request)
        if is_permanent(here):
            raise AlreadyPermanent
        if here.is_authenticated and here.pk != user.pk:
            raise WouldLoseData

    def issue(self, request: HttpRequest, user: Any) -> dict[str, Any]:
        if in_session(request, user):
            return {}
        # Django's login() gives the session a new key (no fixation) and keeps a visitor's data in it.
        try:
            login(request, user, backend=session_backend())
        except DatabaseError as error:
            # It writes last_login, perhaps of a row that was erased or merged in this very moment.
            if find_user(user.pk) is None:
                raise UserNotFound from error
            raise
        return {}

    def renew(self, request: HttpRequest, user: Any) -> dict[str, Any]:
        rotate_session(request, user)
        return {}

    def session_of(self, request: HttpRequest, user: Any) -> Any | None:
        return request.session if in_session(request, user) else None

    def hand_over(self, request: HttpRequest, *, guest: Any, account: Any) -> dict[str, Any]:
        body = self.issue(request, account)
        for listener in session_listeners:
            listener(request, account)
        return body

    def end(self, request: HttpRequest, user: Any, data: Mapping[str, Any]) -> None:
        if in_session(request, user):
            logout(request)


def in_session(request: HttpRequest, user: Any) -> bool:
    """Tell whether the request carries a session, and it is this user's."""
    session = getattr(request, "session", None)
    return session is not None and session.get(SESSION_KEY) == user._meta.pk.value_to_string(user)


def rotate_session(request: HttpRequest, user: Any) -> None:
    """Let the session of a request go on after all credentials of its user ended: a new key, the data stay.

    Django's ``update_session_auth_hash()`` does it only where ``request.user`` is that user; a session that belongs to
    somebody else is left alone.
    """
    if in_session(request, user):
        # In this order: cycle_key() stores the session, and with the old hash whoever looks at it would end it.
        request.session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        request.session.cycle_key()


def session_backend() -> str:
    """Return the entry of AUTHENTICATION_BACKENDS that loads a guest from his session.

    Without ANONAUTH_SESSION_BACKEND it is the one that says ``loads_guests``, or else the first.
    """
    paths: list[str] = list(django_settings.AUTHENTICATION_BACKENDS)
    made_for_it = (p for p in paths if getattr(load_backend(p), "loads_guests", False))
    return get_settings().session_backend or next(made_for_it, paths[0])


@lru_cache(maxsize=16)
def _build(path: str) -> Credentials:
    kind: Credentials = import_string(path)()
    return kind


def allowed_credentials() -> dict[str, Credentials]:
    """Return the kinds that ANONAUTH_CREDENTIALS allows, by name, the default first."""
    kinds = (_build(BUILT_IN.get(entry, entry)) for entry in get_settings().credentials)
    return {kind.name: kind for kind in kinds}


def get_credentials(name: str | None = None) -> Credentials:
    """Return the kind that a client asked for, or the default one.

    Raises:
        InvalidInput: the kind is not allowed here.
    """
    kinds = allowed_credentials()
    if name is None:
        return next(iter(kinds.values()))
    if name not in kinds:
        message = gettext("Choose one of: %(kinds)s.") % {"kinds": ", ".join(kinds)}
        raise InvalidInput({"credentials": [{"code": "invalid_choice", "message": message}]})
    return kinds[name]
