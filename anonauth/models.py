"""The user's side of a guest (an abstract mixin, its queryset and manager) and the tables of our own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models, router
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from anonauth.conf import get_settings
from anonauth.fields import FlowBooleanField, FlowDateTimeField

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser as UserBase
else:
    UserBase = models.Model

M = TypeVar("M", bound=models.Model)
U = TypeVar("U", bound=AbstractUser)


class GuestQuerySet(models.QuerySet[M]):
    """Adds the questions about guests to the user model's queryset."""

    def guests(self) -> GuestQuerySet[M]:
        """Return the anonymous users."""
        return self.filter(is_guest=True)

    def permanent(self) -> GuestQuerySet[M]:
        """Return everybody else."""
        return self.filter(is_guest=False)

    def stale(self, *, before: datetime) -> GuestQuerySet[M]:
        """Return the guests who were last seen before a moment; one index range scan.

        A guest whose last visit is unknown is never stale: doubt spares him.
        """
        return self.filter(is_guest=True, last_seen_at__lt=before)


class GuestManagerMixin(models.Manager[M]):
    """Adds the questions about guests to a manager: ``class MyManager(GuestManagerMixin, BaseUserManager)``."""

    def guests(self) -> models.QuerySet[M]:
        """Return the anonymous users."""
        return self.get_queryset().filter(is_guest=True)

    def permanent(self) -> models.QuerySet[M]:
        """Return everybody else."""
        return self.get_queryset().filter(is_guest=False)

    def stale(self, *, before: datetime) -> models.QuerySet[M]:
        """Return the guests who were last seen before a moment."""
        return self.get_queryset().filter(is_guest=True, last_seen_at__lt=before)


class GuestUserManager(GuestManagerMixin[U], UserManager[U]):
    """Django's ``UserManager`` with ``guests()``, ``permanent()`` and ``stale()``."""

    def get_queryset(self) -> GuestQuerySet[U]:
        return GuestQuerySet(self.model, using=self._db)

    use_in_migrations = False  # so that no project's migration imports anonauth


class GuestMixin(UserBase):
    """Makes a user model able to hold guests; the first base, before ``AbstractUser`` or ``AbstractBaseUser``.

    The column, the JSON key and the token claim are named ``is_anonymous``, the attribute is not: it would hide
    ``AbstractBaseUser.is_anonymous``, which Django documents as False for every saved user and which permission
    backends, allauth and others rely on.
    """

    is_guest = FlowBooleanField(
        _("anonymous"),
        default=False,
        editable=False,
        db_column="is_anonymous",
        help_text=_("Signed in without having proved an identity yet."),
    )
    guest_since = FlowDateTimeField(_("guest since"), null=True, blank=True, editable=False)
    last_seen_at = FlowDateTimeField(_("last seen"), null=True, blank=True, editable=False)
    upgraded_at = FlowDateTimeField(_("upgraded"), null=True, blank=True, editable=False)
    credentials_revoked_at = FlowDateTimeField(
        _("credentials revoked"), null=True, blank=True, editable=False
    )

    class Meta:
        abstract = True
        indexes = [
            models.Index(
                fields=["last_seen_at"],
                condition=models.Q(is_guest=True),
                name="%(class)s_stale",
            ),
            # For the statistics; a guest is not in it, so that it costs a sign-in nothing.
            models.Index(
                fields=["upgraded_at", "guest_since"],
                condition=models.Q(upgraded_at__isnull=False),
                name="%(class)s_perm",
            ),
        ]

    def __str__(self) -> str:
        # Where the name may be NULL, a guest has none, and Django's own __str__ would return None.
        return super().__str__() if self.get_username() else f"guest {self.pk}"

    @property
    def purge_at(self) -> datetime | None:
        """The moment from which this guest may be purged if he does not return; None for a permanent user."""
        last_seen: datetime | None = self.last_seen_at
        if not self.is_guest or last_seen is None:
            return None
        return last_seen + get_settings().purge_after

    def get_session_auth_hash(self) -> str:
        """Return Django's session hash, which also changes when all credentials are revoked."""
        return self._bind_to_revocation(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """Yield the hashes under SECRET_KEY_FALLBACKS, bound in the same way."""
        for auth_hash in super().get_session_auth_fallback_hash():
            yield self._bind_to_revocation(auth_hash)

    def _bind_to_revocation(self, auth_hash: str) -> str:
        # Unchanged while nothing was revoked, so that installing anonauth signs nobody out. The input is an HMAC
        # under SECRET_KEY already; a plain digest of it reveals and forges nothing.
        if self.credentials_revoked_at is None:
            return auth_hash
        moment = self.credentials_revoked_at.timestamp()
        return hashlib.sha256(f"{auth_hash}|{moment!r}".encode()).hexdigest()


class SignInKey(models.Model):
    """Remembers for a few minutes which guest an ``Idempotency-Key`` made. Only a keyed hash is stored."""

    key_hash = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=True
    )
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("sign-in key")
        verbose_name_plural = _("sign-in keys")

    def __str__(self) -> str:
        return f"{self.key_hash[:8]}…"


class PendingUpgrade(models.Model):
    """An address that a guest wants to prove, until the code sent to it is typed; it reserves nothing.

    Nothing of it is written to the user before the proof. ``target`` is an e-mail address or a phone number.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    method = models.CharField(max_length=20)
    target = models.CharField(max_length=320, db_index=True)
    code_hash = models.CharField(max_length=64)
    attempts = models.PositiveSmallIntegerField(default=0)
    password = models.CharField(max_length=128, blank=True)
    name = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("pending upgrade")
        verbose_name_plural = _("pending upgrades")
        constraints = [
            models.UniqueConstraint(fields=["user", "method"], name="anonauth_one_pending_each")
        ]

    def __str__(self) -> str:
        return f"{self.method} of {self.user_id}"


class MergeRecord(models.Model):
    """A guest who was merged into an account: who, when, how, and what became of his rows, in numbers."""

    guest_id = models.CharField(max_length=64, db_index=True)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    method = models.CharField(max_length=32, blank=True)
    report = models.JSONField()
    merged_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")

    def __str__(self) -> str:
        return f"{self.guest_id} into {self.account_id}"


def day_of(moment: datetime) -> date:
    """Return the day by which all counts go: in UTC, or without ``USE_TZ`` that of ``TIME_ZONE``."""
    return (moment if timezone.is_naive(moment) else moment.astimezone(UTC)).date()


class DailyTallyQuerySet(models.QuerySet["DailyTally"]):
    """Counting, without reading first."""

    def add(self, event: str, label: str = "", *, number: int = 1, day: date | None = None) -> None:
        """Add to the count of an event on a day (default: today); usually one UPDATE."""
        day = day or day_of(timezone.now())
        found = self.filter(day=day, event=event, label=label)
        more = {"count": models.F("count") + number}
        if found.update(**more):
            return
        # The first of the day. Of parallel first ones, one inserts and the others add.
        empty = DailyTally(day=day, event=event, label=label, count=0)
        self.bulk_create([empty], ignore_conflicts=True)
        found.update(**more)


class DailyTally(models.Model):
    """How often something happened on a day, for what the users' rows cannot tell any more."""

    day = models.DateField()
    event = models.CharField(max_length=20)
    label = models.CharField(max_length=40, blank=True)
    count = models.PositiveBigIntegerField(default=0)

    objects = DailyTallyQuerySet.as_manager()

    class Meta:
        verbose_name = _("daily tally")
        verbose_name_plural = _("statistics")  # the admin shows those in the place of the rows
        constraints = [
            models.UniqueConstraint(
                fields=["day", "event", "label"], name="anonauth_one_tally_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.event} {self.label}: {self.count}"


class Watermark(models.Model):
    """How far something has come that goes along the guests in the order of their last visit, e.g. warning them."""

    name = models.CharField(max_length=20, primary_key=True)
    reached = models.DateTimeField()

    class Meta:
        verbose_name = _("watermark")
        verbose_name_plural = _("watermarks")

    def __str__(self) -> str:
        return f"{self.name}: {self.reached}"


def is_guest(user: Any) -> bool:
    """Tell whether a user, of any kind and also ``AnonymousUser``, is a guest; no query."""
    return bool(getattr(user, "is_guest", False)) and bool(user.is_authenticated)


def is_permanent(user: Any) -> bool:
    """Tell whether a user, of any kind and also ``AnonymousUser``, is signed in and no guest; no query."""
    # Who does not know whether he is a guest, e.g. a token's user of another library, is none who has proved anything.
    return getattr(user, "is_guest", None) is False and bool(user.is_authenticated)


def user_database() -> str:
    """Return the alias of the database in which users are written; no replica of it."""
    return router.db_for_write(get_user_model())


def find_user(key: str) -> Any | None:
    """Return the user with a primary key, given as text; not from a replica, which may lag behind."""
    return get_user_model()._base_manager.using(user_database()).filter(pk=key).first()


def trace_of(key: str) -> Any:
    """Return an unsaved user who has nothing but the primary key of a row that is gone.

    It is for ``flows.merge``, which finds in its records what became of him.
    """
    model: Any = get_user_model()
    return model(pk=model._meta.pk.to_python(key))


def is_trace(user: Any) -> bool:
    """Tell whether a user has no row any more, only a key."""
    return bool(user._state.adding)
