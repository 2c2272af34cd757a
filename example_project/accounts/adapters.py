"""allauth's hooks, as the shop wants them."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from anonauth.contrib.allauth import adapters
from example_project.accounts.upgrades import is_on_the_way


class AccountAdapter(adapters.AccountAdapter):
    """anonauth's adapter; a guest who proved his address goes on where he was."""

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        if is_on_the_way(self.request):
            return reverse("shop:keep")
        url: str = super().get_email_verification_redirect_url(email_address)
        return url
