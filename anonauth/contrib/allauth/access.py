"""What the access audit has to know of allauth's views."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

from allauth import app_settings as allauth_settings
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.internal.flows import (
    login,
)  # internal: the name of the entry beside the one above

from anonauth.access.libraries import Library
from anonauth.access.seal import swapped

RECORDS_ARE_OF = getattr(login, "_AUTHENTICATION_METHODS_USER_SESSION_KEY", None)
USER_ID_TO_STR = getattr(login, "user_id_to_str", str)


class Allauth(Library):
    """Somebody who has just signed in, and a headless API whose guards are asked without a body or a token."""

    def session(self, user: Any) -> dict[str, Any]:
        """Return the record of a sign-in of this moment: some pages ask for the password after a while."""
        if not user.is_authenticated:
            return {}
        record = {"method": "password", "at": time.time(), "reauthenticated": True}
        found: dict[str, Any] = {AUTHENTICATION_METHODS_SESSION_KEY: [record]}
        if RECORDS_ARE_OF is not None:
            found[RECORDS_ARE_OF] = USER_ID_TO_STR(user)
        return found

    def overrides(self, view: type) -> dict[str, Any]:
        """Keep the headless views from reading a body, which they do before their handlers."""
        return {"handle_json_input": False} if hasattr(view, "handle_json_input") else {}

    def allowed(self, view: str) -> str | None:
        """Guests are meant to use allauth's own views: there they prove who they are."""
        return "allauth's, where guests upgrade" if view.startswith("allauth.") else None

    def sealed(self) -> AbstractContextManager[Any]:
        """Keep the headless views for apps from looking for a session token."""
        if not allauth_settings.HEADLESS_ENABLED:
            return nullcontext()
        authkit = import_module("allauth.headless.internal.authkit")  # internal
        return swapped(authkit, "authentication_context", _as_it_is)


def _as_it_is(_request: Any) -> AbstractContextManager[Any]:
    return nullcontext()
