"""What a provider has said of a person, kept until the app fetches it.

Not allauth's ``SocialLogin.serialize()``: it holds a whole user, of an account that exists with the password hash.
"""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount import app_settings
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount, SocialLogin, SocialToken
from django.contrib.auth import get_user_model
from django.http import HttpRequest

from anonauth.contrib.allauth.flows.social import get_provider


def keep(sociallogin: SocialLogin) -> dict[str, Any]:
    """Return what is needed to join the account later, as JSON can hold it."""
    account, provider = sociallogin.account, sociallogin.provider
    kept = {
        "client_id": provider.app.client_id if provider.app else None,
        "provider": account.provider,
        "uid": account.uid,
        "extra_data": account.extra_data,
        "emails": [[a.email, bool(a.verified), a.primary] for a in sociallogin.email_addresses],
        "phone": [sociallogin.phone, bool(sociallogin.phone_verified)],
    }
    if app_settings.STORE_TOKENS and sociallogin.token:
        kept["token"] = get_adapter().serialize_instance(sociallogin.token)
    return kept


def restore(request: HttpRequest, provider_id: str, kept: dict[str, Any]) -> SocialLogin:
    """Return the social login that was kept, unsaved.

    Raises:
        MethodUnavailable: the provider is no longer set up.
    """
    emails = [EmailAddress(email=e, verified=v, primary=p) for e, v, p in kept["emails"]]
    user = get_user_model()()
    if emails:
        setattr(user, user.get_email_field_name(), emails[0].email)
    phone, phone_verified = kept["phone"]
    sociallogin = SocialLogin(
        user=user,
        provider=get_provider(request, provider_id, client_id=kept["client_id"]),
        account=SocialAccount(
            provider=kept["provider"], uid=kept["uid"], extra_data=kept["extra_data"]
        ),
        email_addresses=emails,
        phone=phone,
        phone_verified=phone_verified,
    )
    if token := kept.get("token"):
        # Not as an argument: allauth would look at the account that a token has not got yet.
        sociallogin.token = get_adapter().deserialize_instance(SocialToken, token)
    return sociallogin
