"""allauth's search for a social account's user, made to leave alone what is another user's."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.socialaccount.providers.base import AuthProcess
from django.apps import apps
from django.http import HttpRequest

from anonauth.models import is_guest

#: Marks, in the state that allauth keeps while a person is at the provider, what a client of ours began; a secret.
STATE_KEY = "anonauth"


def spare_owner(request: HttpRequest, sociallogin: Any) -> None:
    """Let this social login's ``lookup()`` write nothing to an account that a guest will be refused for.

    allauth's own stores the provider's fresh data and tokens in whatever account it finds, before anybody asks whether
    it is this user's. What is to become of the login is known only when it is called, so this wraps the method.
    """
    sociallogin.lookup = partial(_lookup, request, sociallogin)


def _lookup(request: HttpRequest, sociallogin: Any) -> None:
    if STATE_KEY in sociallogin.state:
        return  # looked up when the client finishes
    if sociallogin.state.get("process") == AuthProcess.CONNECT and is_guest(request.user):
        proved = sociallogin.account
        rows = apps.get_model("socialaccount", "SocialAccount").objects
        accounts = rows.filter(provider=proved.provider, uid=proved.uid)
        found = accounts.exclude(user_id=request.user.pk).select_related("user").first()
        if found is not None:
            sociallogin.user = found.user  # so that allauth says "connected_other"
            return
    type(sociallogin).lookup(sociallogin)
