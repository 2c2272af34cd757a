"""The override point of a project: values are settings, behavior is a method here."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import Field, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.module_loading import import_string

from anonauth.client_ip import client_ip
from anonauth.conf import get_settings
from anonauth.exceptions import Impersonated
from anonauth.merge_rules import MergeRule
from anonauth.registry import identity_sources, upgrade_method_sources

#: RFC 2606 reserves the top level domain: no mail to it can ever arrive anywhere.
PLACEHOLDER_DOMAIN = "guest.invalid"

#: What no profile may write, whatever a project's serializer lets through.
PROTECTED_FIELDS = frozenset(
    {
        "pk",
        "id",
        "password",
        "is_guest",
        "is_anonymous",
        "is_active",
        "is_staff",
        "is_superuser",
        "guest_since",
        "last_seen_at",
        "upgraded_at",
        "credentials_revoked_at",
        "last_login",
        "date_joined",
        "groups",
        "user_permissions",
        "backend",
    }
)


def protected_fields() -> frozenset[str]:
    """Return the attribute names that a profile must not write, with the names of this user model."""
    model = get_user_model()
    own = {model.USERNAME_FIELD, model.get_email_field_name(), model._meta.pk.name}
    return PROTECTED_FIELDS | own


@dataclass(frozen=True, slots=True)
class GuestQuota:
    """No guest owns more than ``limit`` rows of a model.

    ``model`` is a label such as ``"shop.CartItem"``, ``owner`` the way from it to the user, ``counted`` a condition for
    rows that count.
    """

    model: str
    limit: int
    owner: str = "user"
    counted: Q = field(default_factory=Q)


class Adapter:
    """Subclass it, override what you need and name the class in ``ANONAUTH_ADAPTER``."""

    def is_open_for_guests(self, request: HttpRequest) -> bool:
        """Tell whether new guests are accepted now; the kill switch, asked for each new guest."""
        return get_settings().enabled

    def client_ip(self, request: HttpRequest) -> str | None:
        """Return the address that limits count by; a forwarded header is believed only as far as configured."""
        conf = get_settings()
        return client_ip(
            request,
            trusted_proxy_count=conf.trusted_proxy_count,
            trusted_header=conf.trusted_client_ip_header,
        )

    def is_impersonated(self, request: HttpRequest) -> bool:
        """Tell whether staff acts as the user of a request, by django-hijack or django-impersonate."""
        user, session = getattr(request, "user", None), getattr(request, "session", {})
        return bool(
            getattr(request, "impersonator", None)
            or getattr(user, "is_impersonate", False)
            or getattr(user, "is_hijacked", False)
            # What django-hijack makes its mark of; where a guest is seen as a visitor, there is no mark.
            or session.get("hijack_history")
        )

    def new_username(self) -> str:
        """Return a name for a new guest; asked again, a few times, when it is taken."""
        return f"guest-{secrets.token_hex(10)}"

    def new_email(self) -> str:
        """Return a unique address that can never receive mail, for models that demand one."""
        return f"{self.new_username()}@{PLACEHOLDER_DOMAIN}"

    def new_guest(self) -> Any:
        """Return an unsaved guest with no usable password, no address and, where needed, a generated name."""
        model = get_user_model()
        now = timezone.now()
        user = model(is_guest=True, guest_since=now, last_seen_at=now)
        # What set_unusable_password() writes, without asking the random generator for 40 letters one by one.
        user.password = UNUSABLE_PASSWORD_PREFIX + secrets.token_hex(20)
        email_field = model.get_email_field_name()
        if email_field and (column := _field(model, email_field)) is not None:
            setattr(user, email_field, self._empty_email(column))
        if email_field != model.USERNAME_FIELD:
            name_field = _field(model, model.USERNAME_FIELD)
            nullable = name_field is not None and name_field.null
            setattr(user, model.USERNAME_FIELD, None if nullable else self.new_username())
        return user

    def _empty_email(self, field: Field[Any, Any]) -> str | None:
        if field.null:
            return None
        return self.new_email() if field.unique else ""

    def populate(self, user: Any, profile: Mapping[str, Any]) -> None:
        """Copy the validated profile to the unsaved guest; what decides about rights is set again afterwards."""
        forbidden = protected_fields()
        for name, value in profile.items():
            if name not in forbidden:
                setattr(user, name, value)

    def user_payload(self, user: Any) -> dict[str, Any]:
        """Return what the API says of a user."""
        return {
            "id": str(user.pk),
            "is_anonymous": user.is_guest,
            "email": self.email_of(user),
            "identities": [] if user.is_guest else self.identities(user),
            "created_at": user.guest_since or getattr(user, "date_joined", None),
            "last_seen_at": user.last_seen_at,
            "purge_at": user.purge_at,
            "upgrade_methods": self.upgrade_methods() if user.is_guest else [],
        }

    def email_of(self, user: Any) -> str | None:
        """Return the user's address, or None where there is none, only a placeholder, or no proof of it."""
        if user.is_guest:
            # On the row may be what he typed into a sign-up form and has not proved yet.
            return None
        name = user.get_email_field_name()
        email: str = getattr(user, name, None) or ""
        return None if not email or email.endswith(".invalid") else email

    def identities(self, user: Any) -> list[dict[str, Any]]:
        """Return the identities that the user has proved, as the installed contrib apps know them."""
        return [identity for source in identity_sources for identity in source(user)]

    def upgrade_methods(self) -> list[str]:
        """Return the ways in which a guest can become permanent here."""
        return [method for source in upgrade_method_sources for method in source()]

    def token_claims(self, user: Any) -> Mapping[str, Any]:
        """Return what tokens of the kind ``"jwt"`` say of a user besides ``is_anonymous`` and ``sv``, for JSON."""
        return {}

    def merge_rules(self) -> Iterable[MergeRule]:
        """Return the project's merge rules; they are stronger than those of its apps."""
        return ()

    def merge_user(self, guest: Any, account: Any) -> None:
        """Copy what the account shall have of the guest's own columns; in the transaction of a merge, both locked.

        The usual account stays as it is. Save with ``update_fields``.
        """

    def quotas(self) -> Sequence[GuestQuota]:
        """Return how many rows of which models a guest may own; see ``anonauth.quotas``."""
        return ()

    def database_claims(self, user: Any) -> Mapping[str, Any]:
        """Return what the database's rules may know of a user besides ``sub``, ``role`` and ``is_anonymous``."""
        return {}

    def can_purge(self, guests: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow a queryset of guests to those who may be deleted, e.g. exclude who has a paid order."""
        return guests

    def before_purge(self, guests: QuerySet[Any]) -> None:
        """Do what has to happen before guests are deleted, in the same transaction; they are locked.

        Give away what shall stay, or note the files of rows that go and delete them on commit.
        """


def _field(model: Any, name: str) -> Field[Any, Any] | None:
    return next((f for f in model._meta.concrete_fields if f.name == name), None)


@lru_cache(maxsize=8)
def _build(path: str) -> Adapter:
    adapter: Adapter = import_string(path)()
    return adapter


def get_adapter() -> Adapter:
    """Return the project's adapter (one instance a process; keep no state of a request in it)."""
    return _build(get_settings().adapter)


def refuse_impersonation(request: HttpRequest) -> None:
    """Keep staff who acts as a guest from making him permanent, with proofs of their own, or somebody else's.

    Raises:
        Impersonated
    """
    if get_adapter().is_impersonated(request):
        raise Impersonated


def purgeable(guests: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of some guests whom the project lets go, once each; the same queryset where it holds nobody.

    An adapter's ``can_purge()`` may join, or answer with others than it was asked about.
    """
    adapter = get_adapter()
    if type(adapter).can_purge is Adapter.can_purge:
        return guests
    return guests.filter(pk__in=adapter.can_purge(guests).order_by().values("pk"))
