"""An e-mail backend for development: mail goes to a table, and the page /mail/ shows it."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from example_project.mailbox.models import Mail


class EmailBackend(BaseEmailBackend):
    """Keeps every message as a row."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Store the messages and return how many there were."""
        mails = [
            Mail(
                sender=message.from_email,
                recipients=", ".join(message.recipients()),
                subject=str(message.subject),
                body=str(message.body),
            )
            for message in email_messages
        ]
        Mail.objects.bulk_create(mails)
        return len(mails)
