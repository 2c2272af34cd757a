"""What the tests of social upgrades share: people with accounts, and a browser that is nobody's."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.test import Client

from anonauth.contrib.allauth.flows.social_redirect import challenge_of
from tests.client import Api

APP = "com.example.shop:/callback"
WEB = "https://shop.example/callback?from=provider"


def make_owner(*, uid: str | None = "u1", email: str = "ann@example.com", **fields: Any) -> Any:
    """Return a permanent user with a verified address and, by default, the social account ``u1``."""
    user = get_user_model().objects.create_user(email.partition("@")[0], email, "secret", **fields)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    if uid is not None:
        SocialAccount.objects.create(
            user=user, provider="fake", uid=uid, extra_data={"kept": "as it is"}
        )
    return user


def guest_of(api: Api) -> Any:
    """Return the row of the user whom a client is signed in as."""
    return get_user_model().objects.get(pk=api.get("user/").json()["id"])


def keep_tokens(api: Api, answer: Any) -> Any:
    """Let a client go on with the tokens in an answer; return the answer's body."""
    body = answer.json()
    assert answer.status_code == 200, body
    api.tokens = {"access": body["access"], "refresh": body["refresh"]}
    return body


class App:
    """A native app: a client with tokens, a verifier that it keeps, and a browser that it can open."""

    def __init__(self, api: Api, *, redirect_uri: str = APP) -> None:
        self.api = api
        self.redirect_uri = redirect_uri
        self.verifier = secrets.token_urlsafe(32)

    def start(self, **changes: Any) -> Any:
        body = {
            "redirect_uri": self.redirect_uri,
            "code_challenge": challenge_of(self.verifier),
            **changes,
        }
        return self.api.post("upgrade/social/fake/start/", body)

    def ticket_url(self) -> str:
        """Return the path of the URL to open."""
        answer = self.start()
        assert answer.status_code == 200, answer.content
        return str(answer.json()["url"]).removeprefix("http://testserver")

    def finish(self, code: str, **changes: Any) -> Any:
        body = {"code": code, "code_verifier": self.verifier, **changes}
        return self.api.post("upgrade/social/fake/finish/", body)


def visit_provider(browser: Client, url: str) -> str:
    """Open a ticket's URL, log in at the provider over HTTP, return the callback's path."""
    answer = browser.get(url)
    assert answer.status_code == 302, answer.content
    there = requests.get(answer["Location"], allow_redirects=False, timeout=10)
    back = urlsplit(there.headers["Location"])
    return f"{back.path}?{back.query}"


def travel(browser: Client, url: str) -> dict[str, str]:
    """Go all the way; return what the app is told when the browser comes back to it."""
    answer = browser.get(visit_provider(browser, url))
    assert answer.status_code == 302, answer.content
    return told(answer)


def told(answer: Any) -> dict[str, str]:
    """Return the ``code`` or ``error`` with which a browser is sent back to the app."""
    assert answer["Location"].startswith((APP, WEB))
    query = parse_qs(urlsplit(answer["Location"]).query)
    return {name: query[name][0] for name in ("code", "error") if name in query}
