"""One of each kind, and browsers in which they are signed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import AsyncClient, Client

from anonauth.contrib.simplejwt.tokens import issue
from anonauth.flows.sign_in import SignInFacts, sign_in

User: Any = get_user_model()
KINDS = ("visitor", "guest", "permanent")


@dataclass
class Person:
    """A visitor, a guest or a permanent user, with a browser."""

    kind: str
    user: Any = None
    http: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def get(self, path: str) -> Any:
        """Get a page; afterwards the connection is treated as after any request of a server."""
        answer: Any = self.http.get(f"/rows/{path}/")
        if answer.streaming:
            answer.body = b"".join(answer)
        connection.close_if_unusable_or_obsolete()
        return answer

    def post(self, path: str) -> Any:
        """Post with a token instead of the session."""
        return self._post(Client(raise_request_exception=False), path)

    def post_with_session(self, path: str) -> Any:
        """Post with a token and the session, which may be somebody else's."""
        return self._post(self.http, path)

    def _post(self, http: Client, path: str) -> Any:
        bearer = {"Authorization": f"Bearer {issue(self.user).access_token}"} if self.user else {}
        answer = http.post(f"/rows/{path}/", headers=bearer)
        connection.close_if_unusable_or_obsolete()
        return answer


def person(kind: str) -> Person:
    """Return somebody new of a kind."""
    if kind == "visitor":
        return Person(kind)
    if kind == "guest":
        user = sign_in(facts=SignInFacts()).user
    else:
        user = User.objects.create_user(f"user-{User.objects.count()}")
    found = Person(kind, user)
    found.http.force_login(user)
    return found


def async_client(found: Person) -> AsyncClient:
    """Return an asynchronous client with the same cookies."""
    client = AsyncClient(raise_request_exception=False)
    client.cookies = found.http.cookies
    return client
