"""For ``SIMPLE_JWT["TOKEN_USER_CLASS"]``, where requests are authenticated by the token alone."""

from __future__ import annotations

from rest_framework_simplejwt.models import TokenUser as SimpleJWTTokenUser

from anonauth.contrib.simplejwt.tokens import ANONYMOUS_CLAIM


class TokenUser(SimpleJWTTokenUser):
    """simplejwt's user without a row, which knows that it is a guest.

    A token without the claim counts as a guest's: a stale or foreign token must only ever have fewer rights.
    """

    @property
    def is_guest(self) -> bool:
        return self.token.get(ANONYMOUS_CLAIM) is not False
