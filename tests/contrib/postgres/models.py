"""Tables with rules of both kinds, and the tables of the policies that Supabase prints."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from anonauth.contrib.postgres.constraints import RestrictAnonymous, RowSecurity


class Notice(models.Model):
    """Written by permanent users only, as policies say."""

    title = models.CharField(max_length=100)

    class Meta:
        constraints = [
            RowSecurity(name="notice_rows"),
            RestrictAnonymous(name="notice_permanent", enforce="policy"),
        ]

    def __str__(self) -> str:
        return self.title


class Parcel(models.Model):
    """Written by permanent users only, as triggers say."""

    title = models.CharField(max_length=100)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True)

    class Meta:
        constraints = [RestrictAnonymous(name="parcel_permanent")]

    def __str__(self) -> str:
        return self.title


class Post(models.Model):
    """The table of the example policies in Supabase's announcement of anonymous sign-ins."""

    name = models.TextField()
    description = models.TextField(null=True)  # noqa: DJ001  as printed there
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "posts"

    def __str__(self) -> str:
        return self.name


class NewsItem(models.Model):
    """The table of the example policies in Supabase's guide to anonymous sign-ins."""

    content = models.TextField()

    class Meta:
        db_table = "news_feed"

    def __str__(self) -> str:
        return self.content


class CartItem(models.Model):
    """Ten of these are enough for a guest."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    product = models.TextField()

    class Meta:
        db_table = "cart_items"

    def __str__(self) -> str:
        return self.product
