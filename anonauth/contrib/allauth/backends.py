"""For ``AUTHENTICATION_BACKENDS``: the backend that guests' sessions name."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.http import HttpRequest

from anonauth.contrib.allauth.masking import masks


class GuestBackend(BaseBackend):
    """Loads a session's user, but not where allauth has to see a visitor; lets nobody in and grants nothing."""

    #: ``anonauth.credentials.session_backend()`` looks for this.
    loads_guests = True

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        return None

    def get_user(self, user_id: Any) -> Any | None:
        """Return the user, or None on the entrance pages: Django then leaves the session alone."""
        user = ModelBackend().get_user(user_id)
        request = context.request
        if user is None or request is None or not masks(request, user):
            return user
        return None
