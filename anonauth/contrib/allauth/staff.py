"""Staff gives a guest a verified address, a social account or a number in Django's admin: that upgrades him too.

The admin's log tells of it, whichever class a project has registered for allauth's models, and also where they are
inlines of the user's page. Receivers of the models' own signals would be called in the middle of allauth's flows.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model

from anonauth.exceptions import UserInactive
from anonauth.flows.consistency import kinds_of
from anonauth.flows.vouch import METHOD, vouch

ADDITION, CHANGE = 1, 2
#: allauth's models whose rows open an account; and the user, with what is edited on his page.
TELLING = {"account.emailaddress", "socialaccount.socialaccount", "mfa.authenticator"}


def on_admin_log(*, instance: Any, created: bool, **kwargs: Any) -> None:
    """Upgrade the guest whom an entry of the admin's log is about, if he holds a credential now."""
    if not created or instance.action_flag not in {ADDITION, CHANGE}:
        return
    guest = _guest_of(instance)
    if guest is None:
        return
    # A password is none of it: a sign-up that waits for its code has one, and staff may edit something else meanwhile.
    kinds = [kind for kind in kinds_of([guest])[guest.pk] if kind != "password"]
    if kinds:
        # The ban of a guest is not undone; check_anonymous tells of him.
        with suppress(UserInactive):
            vouch(guest, kinds=kinds, method=METHOD)


def _guest_of(entry: Any) -> Any | None:
    model = entry.content_type.model_class() if entry.content_type else None
    if model is None:
        return None
    if issubclass(model, get_user_model()):
        keys: Any = [entry.object_id]
    elif model._meta.label_lower in TELLING or issubclass(model, EmailAddress):
        keys = model._base_manager.filter(pk=entry.object_id).values("user_id")
    else:
        return None
    return get_user_model()._base_manager.filter(pk__in=keys, is_guest=True).first()
