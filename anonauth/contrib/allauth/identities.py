"""What allauth knows of a user's identities, and which ways to upgrade it offers here."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

from allauth import app_settings as allauth_settings
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import get_adapter as get_social_adapter
from django.apps import apps
from django.core.signals import setting_changed
from django.db.models.signals import post_delete, post_save

from anonauth.contrib.allauth.flows import phone

PROVIDERS_KEPT = 300  # seconds


def identities(user: Any) -> list[dict[str, Any]]:
    """Return the verified addresses, the verified number and the social accounts of a user; two queries."""
    return [*_emails(user), *_phones(user), *_social(user)]


def _emails(user: Any) -> list[dict[str, Any]]:
    rows = EmailAddress.objects.filter(user_id=user.pk, verified=True)
    found = rows.order_by("-primary", "email").values_list("email", "primary")
    return [{"type": "email", "email": email, "primary": primary} for email, primary in found]


def _phones(user: Any) -> list[dict[str, Any]]:
    adapter = get_account_adapter()
    number, verified = (adapter._has_phone_impl and adapter.get_phone(user)) or (None, False)
    return [{"type": "phone", "phone": number}] if number and verified else []


def _social(user: Any) -> list[dict[str, Any]]:
    if not allauth_settings.SOCIALACCOUNT_ENABLED:
        return []
    rows = (
        apps.get_model("socialaccount", "SocialAccount")
        .objects.filter(user_id=user.pk)
        .order_by("provider", "uid")
    )
    found = rows.values_list("provider", "uid")
    return [{"type": "social", "provider": provider, "uid": uid} for provider, uid in found]


def upgrade_methods() -> list[str]:
    """Return the ways to upgrade that work with the settings in force, e.g. ``"social:google"``."""
    phone_too = ["phone"] if phone.is_available() else []
    return ["email", *phone_too, *(f"social:{provider}" for provider in providers())]


def providers() -> tuple[str, ...]:
    """Return the ids of the social providers that are set up, as allauth's URLs and ours name them."""
    if not allauth_settings.SOCIALACCOUNT_ENABLED:
        return ()
    return _providers(int(time.monotonic() // PROVIDERS_KEPT))


# Each sign-in asks, and apps of providers can be in the database: remembered by this process for a while.
@lru_cache(maxsize=1)
def _providers(_period: int) -> tuple[str, ...]:
    found = (p for p in get_social_adapter().list_providers(None) if not _is_hidden(p))
    return tuple(dict.fromkeys(str(provider.sub_id) for provider in found))


def _is_hidden(provider: Any) -> bool:
    return bool(provider.app and provider.app.settings.get("hidden"))


def _forget_providers(**_kwargs: Any) -> None:
    _providers.cache_clear()


def watch_providers() -> None:
    """Forget the providers when a setting changes, or an app of one in this process."""
    setting_changed.connect(_forget_providers, dispatch_uid="anonauth.providers")
    if not allauth_settings.SOCIALACCOUNT_ENABLED:
        return
    for signal in (post_save, post_delete):
        signal.connect(
            _forget_providers, sender="socialaccount.SocialApp", dispatch_uid="anonauth.providers"
        )
