"""Clients that upgrade by a code."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail

from anonauth.contrib.postgres.transport import without_claims
from anonauth.models import PendingUpgrade
from tests.client import Api

User = get_user_model()
ADA = "ada@example.org"
PASSWORD = "correct horse battery staple"


def new_guest(**body: Any) -> Api:
    api = Api()
    api.sign_in(**body)
    return api


def sent_code(number: int = -1) -> str:
    """Return the code in a mail, the last one by default."""
    found = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", str(mail.outbox[number].body), re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


def start(api: Api, email: str = ADA, **more: Any) -> str:
    answer = api.post("upgrade/email/", {"email": email, **more})
    assert answer.status_code == 202, answer.content
    return sent_code()


def verify(api: Api, code: str) -> Any:
    return api.post("upgrade/email/verify/", {"code": code})


def owner(email: str = ADA, **more: Any) -> Any:
    user = User.objects.create_user("owner", email, PASSWORD, **more)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def wait(**time: int) -> None:
    """Let time pass for whatever is pending."""
    for row in PendingUpgrade.objects.all():
        for name in ("created_at", "sent_at", "expires_at"):
            setattr(row, name, getattr(row, name) - timedelta(**time))
        row.save()


def is_statement(sql: str) -> bool:
    return without_claims(sql).split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}


def verb_and_table(sql: str) -> str:
    sql = without_claims(sql)
    table = re.search(r'(?:FROM|INTO|UPDATE) "(\w+)"', sql)
    assert table
    return f"{sql.split()[0]} {table[1]}"
