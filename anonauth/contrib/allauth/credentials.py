"""The kind ``"headless"``: a session token of allauth's headless API for apps, so that a guest can use all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allauth.headless import app_settings
from allauth.headless.internal.sessionkit import new_session  # internal: a session of no cookie
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from anonauth.contrib.allauth.authentication import user_of
from anonauth.contrib.allauth.door import list_session
from anonauth.credentials import Credentials, session_backend
from anonauth.exceptions import GuestProofInvalid
from anonauth.models import find_user, is_guest, trace_of


class HeadlessCredentials(Credentials):
    """A session of its own, named by a token in the header ``X-Session-Token`` instead of a cookie."""

    name = "headless"
    authentication_class = "anonauth.contrib.allauth.authentication.SessionTokenAuthentication"
    sets_cookie = False
    proof_field = "session_token"

    def issue(self, request: HttpRequest, user: Any) -> dict[str, Any]:
        session = session_at_hand(request, user)
        if session is None:
            session = _new_session(user)
        elif not _is_current(session, user):
            # All credentials have ended in this request: the session goes on under a new key, with its data.
            session[HASH_SESSION_KEY] = user.get_session_auth_hash()
            session.cycle_key()
        return _tokens(session, user)

    def prove(self, proof: str) -> Any:
        session = app_settings.TOKEN_STRATEGY.lookup_session(proof)
        key = None if session is None else session.get(SESSION_KEY)
        if session is None or key is None:
            raise GuestProofInvalid
        user = user_of(session)
        if user is None and find_user(key) is None:
            return trace_of(key)
        if user is None or not is_guest(user):
            raise GuestProofInvalid
        return user

    def session_of(self, request: HttpRequest, user: Any) -> Any | None:
        return session_at_hand(request, user)

    def hand_over(self, request: HttpRequest, *, guest: Any, account: Any) -> dict[str, Any]:
        self.end(request, guest, {})
        session = _new_session(account)
        list_session(request, account, session=session)
        return _tokens(session, account)

    def end(self, request: HttpRequest, user: Any, data: Mapping[str, Any]) -> None:
        session = session_at_hand(request, user)
        if session is not None:
            session.flush()


def session_at_hand(request: HttpRequest, user: Any) -> Any | None:
    """Return the session that a request's token names if it is this user's, also when it was revoked just now."""
    strategy = app_settings.TOKEN_STRATEGY
    token = strategy.get_session_token(request)
    session = strategy.lookup_session(token) if token else None
    owner = user._meta.pk.value_to_string(user)
    return session if session is not None and session.get(SESSION_KEY) == owner else None


def _new_session(user: Any) -> Any:
    session = new_session()
    session[SESSION_KEY] = user._meta.pk.value_to_string(user)
    session[BACKEND_SESSION_KEY] = session_backend()
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session


def _is_current(session: Any, user: Any) -> bool:
    return constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())


def _tokens(session: Any, user: Any) -> dict[str, Any]:
    # The strategy (HEADLESS_TOKEN_STRATEGY) reads both from a request; ours has the session of a cookie, or none.
    carrier = HttpRequest()
    carrier.session, carrier.user = session, user
    strategy = app_settings.TOKEN_STRATEGY
    tokens: dict[str, Any] = strategy.create_access_token_payload(carrier) or {}
    return {**tokens, "session_token": strategy.create_session_token(carrier)}
