"""The kind ``"jwt"``: an access and a refresh token in the body of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from anonauth.contrib.simplejwt.proof import guest_of
from anonauth.contrib.simplejwt.refresh import access_fields
from anonauth.contrib.simplejwt.tokens import decode, issue
from anonauth.credentials import Credentials
from anonauth.exceptions import InvalidInput, ScopeUnavailable

BLACKLIST_APP = "rest_framework_simplejwt.token_blacklist"
BLACKLIST_LABEL = "token_blacklist"


class JWTCredentials(Credentials):
    """A pair of simplejwt."""

    name = "jwt"
    authentication_class = "anonauth.contrib.simplejwt.authentication.JWTAuthentication"
    sets_cookie = False
    proof_field = "refresh"

    def issue(self, request: HttpRequest, user: Any) -> dict[str, Any]:
        token = issue(user)
        return {**access_fields(token), "refresh": str(token)}

    def end(self, request: HttpRequest, user: Any, data: Mapping[str, Any]) -> None:
        """Blacklist the refresh token in the body; the access token dies of age."""
        if not apps.is_installed(BLACKLIST_APP):
            raise ScopeUnavailable
        try:
            token = decode(data.get("refresh", ""))
        except TokenError as error:
            message = gettext("Send the refresh token that is to be ended.")
            raise InvalidInput({"refresh": [{"code": "invalid", "message": message}]}) from error
        owner = str(getattr(user, api_settings.USER_ID_FIELD))
        if token.get(api_settings.USER_ID_CLAIM) == owner:  # nobody ends another one's
            token.blacklist()

    def prove(self, proof: str) -> Any:
        return guest_of(proof)

    def forget(self, user: Any) -> None:
        """Blacklist all outstanding tokens, before a delete makes them ownerless: one SELECT, one INSERT."""
        self.forget_many(get_user_model()._base_manager.filter(pk=user.pk))

    def forget_many(self, users: QuerySet[Any]) -> None:
        """Blacklist all outstanding tokens of many users that have not expired: one SELECT, one INSERT."""
        if not apps.is_installed(BLACKLIST_APP):
            return
        outstanding: Any = apps.get_model(f"{BLACKLIST_LABEL}.OutstandingToken")
        blacklisted: Any = apps.get_model(f"{BLACKLIST_LABEL}.BlacklistedToken")
        open_tokens = outstanding.objects.using(users.db).filter(
            user__in=users.order_by().values("pk"),
            blacklistedtoken__isnull=True,
            expires_at__gt=timezone.now(),
        )
        rows = [blacklisted(token_id=pk) for pk in open_tokens.values_list("pk", flat=True)]
        if rows:
            blacklisted.objects.using(users.db).bulk_create(rows, ignore_conflicts=True)


def expired_tokens(database: str) -> QuerySet[Any] | None:
    """Return the outstanding tokens that have expired, blacklisted or not, as ``flushexpiredtokens`` deletes them."""
    if not apps.is_installed(BLACKLIST_APP):
        return None
    outstanding: Any = apps.get_model(f"{BLACKLIST_LABEL}.OutstandingToken")
    rows: QuerySet[Any] = outstanding.objects.using(database).filter(expires_at__lte=timezone.now())
    return rows
