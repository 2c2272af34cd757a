"""The adapters of a project that has phone numbers; what it would send by SMS stays in a list."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.contrib.auth import get_user_model

from anonauth.contrib.allauth.adapters import AccountAdapterMixin, SocialAccountAdapterMixin

#: (number, code); the code is "" in a message that says that there is no account, "exists" that there is one.
sms: list[tuple[str, str]] = []


class AccountAdapter(AccountAdapterMixin, DefaultAccountAdapter):  # type: ignore[misc]
    """allauth's five methods for phone numbers, as its documentation shows them."""

    def set_phone(self, user: Any, phone: str, verified: bool) -> None:
        user.phone, user.phone_verified = phone or None, verified
        user.save(update_fields=["phone", "phone_verified"])

    def get_phone(self, user: Any) -> tuple[str, bool] | None:
        return (user.phone, user.phone_verified) if user.phone else None

    def set_phone_verified(self, user: Any, phone: str) -> None:
        self.set_phone(user, phone, True)

    def get_user_by_phone(self, phone: str) -> Any:
        return get_user_model()._default_manager.filter(phone=phone).first()

    def send_verification_code_sms(self, user: Any, phone: str, code: str, **kwargs: Any) -> None:
        sms.append((phone, code))

    def send_unknown_account_sms(self, phone: str, **kwargs: Any) -> None:
        sms.append((phone, ""))

    def send_account_already_exists_sms(self, phone: str) -> None:
        sms.append((phone, "exists"))


class SocialAccountAdapter(SocialAccountAdapterMixin, DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Nothing of its own."""
