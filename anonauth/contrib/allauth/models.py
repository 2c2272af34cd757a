"""What a social upgrade leaves in the database for some minutes.

Not in the cache: a local cache is not shared between processes, and not every shared one can take a value out exactly
once. A conditional UPDATE or DELETE of one row can, on every database.
"""

from __future__ import annotations

from typing import TypeVar

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

M = TypeVar("M", bound=models.Model)


class ExpiringQuerySet(models.QuerySet[M]):
    """Rows that mean nothing after a while."""

    def live(self) -> ExpiringQuerySet[M]:
        """Return those that have not expired."""
        return self.filter(expires_at__gt=timezone.now())

    def sweep(self, *, limit: int = 100) -> None:
        """Delete some of those that have expired."""
        expired = self.filter(expires_at__lte=timezone.now()).values_list("pk", flat=True)
        if found := list(expired[:limit]):
            self.filter(pk__in=found).delete()


class SocialTicket(models.Model):
    """A guest's way through a browser to a provider and back to his app; one at a time for each guest.

    Three secrets follow one another: the ticket in the URL that the app opens, the one that the browser's session holds
    while the person is at the provider, and the code that the app gets. Only the hash of the present one is stored.
    """

    class Step(models.TextChoices):
        STARTED = "started"
        AT_PROVIDER = "at_provider"
        PROVED = "proved"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    step = models.CharField(max_length=12)
    secret_hash = models.CharField(max_length=64, unique=True)
    provider = models.CharField(max_length=200)
    redirect_uri = models.TextField()
    code_challenge = models.CharField(max_length=43)
    identity = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    expires_at = models.DateTimeField(db_index=True)

    objects = ExpiringQuerySet.as_manager()

    class Meta:
        verbose_name = _("social ticket")
        verbose_name_plural = _("social tickets")

    def __str__(self) -> str:
        return f"{self.provider} for {self.user_id}"


class SeenToken(models.Model):
    """Which user brought a provider's id token first, until it expires. Only a hash is stored.

    SECURITY: it outlives its user, or else a merge would give the token back to whoever has a copy.
    """

    token_hash = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    expires_at = models.DateTimeField(db_index=True)

    objects = ExpiringQuerySet.as_manager()

    class Meta:
        verbose_name = _("seen token")
        verbose_name_plural = _("seen tokens")

    def __str__(self) -> str:
        return f"{self.token_hash[:8]}…"
