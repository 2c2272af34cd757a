"""Whoever uses allauth in these tests: guests in a browser, guests in an app, owners of accounts."""

from __future__ import annotations

import json
import re
from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client

from tests.client import Api
from tests.testapp.adapters import sms
from tests.testapp.models import Note

User = get_user_model()
PASSWORD = "Zq9!kkdj2"
#: Where a guest who has logged in to an account is asked, before he goes to LOGIN_REDIRECT_URL.
ASKED = "/auth/merge/offer/?next=%2F"


class Person:
    """A browser with cookies of its own."""

    def __init__(self) -> None:
        self.http = Client()

    def get(self, path: str) -> Any:
        return self.http.get(path)

    def post(self, path: str, **data: Any) -> Any:
        return self.http.post(path, data)

    @property
    def here(self) -> str | None:
        """The key of the user whom a page of the project sees, or None for a visitor."""
        seen = self.get("/").json()
        key: str = seen["id"]
        return key if seen["is_authenticated"] else None

    def dummy(self, process: str, number: int, **data: Any) -> Any:
        """Go to the dummy provider, say who one is there and come back."""
        there = self.http.post(f"/accounts/dummy/login/?process={process}&next=/")
        assert there.status_code == 302, there.content
        return self.http.post(there["Location"], {"id": number, **data})


class Guest(Person):
    """A browser in which somebody has become a guest, and has made something."""

    def __init__(self) -> None:
        super().__init__()
        api = Api()
        api.http = self.http
        self.id = api.sign_in(credentials="session")["id"]
        session = self.http.session
        session["cart"] = [1, 2]
        session.save()
        self.key = session.session_key
        Note.objects.create(owner=self.row, text="mine")

    @property
    def row(self) -> Any:
        return User.objects.get(pk=self.id)

    @property
    def is_still_a_guest(self) -> bool:
        return bool(self.row.is_guest) and self.here == self.id


class Headless(Guest):
    """A guest who uses the headless API: of kind "browser" by cookie, of kind "app" by token."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.token: str | None = None
        if kind == "app":
            answer = self.http.post(
                "/auth/anonymous/", {"credentials": "headless"}, content_type="application/json"
            )
            self.token = answer.json()["session_token"]
            self.http = Client()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request; an app takes the token of the answer, if there is one."""
        headers = {"X-Session-Token": self.token} if self.token else {}
        answer = self.http.generic(
            method,
            f"/_allauth/{self.kind}/v1/{path}",
            json.dumps(body or {}),
            content_type="application/json",
            headers=headers,
        )
        if self.kind == "app" and answer.content:
            meta = answer.json().get("meta", {})
            self.token = meta.get("session_token", self.token)
        return answer

    @property
    def here(self) -> str | None:
        """The key of the user whom the API sees."""
        data = self.call("GET", "auth/session").json()
        key = data.get("data", {}).get("user", {}).get("id")
        return None if key is None else str(key)


def account(
    email: str = "ann@example.com", *, uid: int | None = None, phone: str | None = None
) -> Any:
    """Return a permanent user with a verified address, a password, perhaps a social account and a number."""
    user = User.objects.create_user(
        email.partition("@")[0], email, PASSWORD, phone=phone, phone_verified=phone is not None
    )
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    if uid is not None:
        SocialAccount.objects.create(user=user, provider="dummy", uid=str(uid))
    return user


def code_in_mail() -> str:
    """Return the code in the last mail."""
    found = re.search(r"^([A-Z0-9]{4}-[A-Z0-9]{4})$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found, mail.outbox[-1].body
    return found[1]


def code_in_sms(number: str) -> str:
    """Return the code last sent to a number."""
    return next(code for to, code in reversed(sms) if to == number)


def link_in_mail() -> str:
    """Return the path of the link in the last mail."""
    found = re.search(r"http://testserver(/\S+)", str(mail.outbox[-1].body))
    assert found, mail.outbox[-1].body
    return found[1]


def key_in_mail() -> str:
    """Return the key in the confirmation link of the last mail."""
    found = re.search(r"confirm-email/([^/]+)/", link_in_mail())
    assert found
    return found[1]


def assert_upgraded(guest: Guest, method: str | None = None) -> Any:
    """Check that a guest is permanent: one row, the same one, still signed in, with all that was his."""
    row = User.objects.get()
    assert str(row.pk) == guest.id
    assert not row.is_guest
    assert row.upgraded_at is not None
    assert guest.here == guest.id
    assert Note.objects.get().owner_id == row.pk
    if not isinstance(guest, Headless):
        assert guest.http.session["cart"] == [1, 2]
        assert guest.http.session.session_key != guest.key
    return row
