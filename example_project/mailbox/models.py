from __future__ import annotations

from django.db import models


class Mail(models.Model):
    """A mail that the shop sent in development."""

    sent_at = models.DateTimeField(auto_now_add=True)
    sender = models.CharField(max_length=320)
    recipients = models.TextField()
    subject = models.TextField()
    body = models.TextField()

    class Meta:
        ordering = ("-pk",)
        verbose_name_plural = "mail"

    def __str__(self) -> str:
        return self.subject
