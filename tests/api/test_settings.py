"""GET settings/."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.client import Api

if TYPE_CHECKING:
    from pytest_django import Settings


pytestmark = pytest.mark.django_db  # apps of social providers can be in the database


def test_a_client_learns_how_one_signs_in_here(api: Api) -> None:
    answer = api.get("settings/")

    assert answer.status_code == 200
    assert answer.json() == {
        "enabled": True,
        "credentials": ["jwt", "session"],
        "captcha": None,
        "upgrade_methods": ["email", "phone", "social:dummy"],
        "purge_after": 30 * 86400,
    }
    assert answer["Cache-Control"] == "public, max-age=60"


def test_the_captcha_is_described_without_its_secret(api: Api, settings: Settings) -> None:
    settings.ANONAUTH_CAPTCHA = "turnstile"
    settings.ANONAUTH_CAPTCHA_SITE_KEY = "public"
    settings.ANONAUTH_CAPTCHA_SECRET = "very secret"
    settings.ANONAUTH_ENABLED = False

    answer = api.get("settings/")

    assert answer.json()["enabled"] is False
    assert answer.json()["captcha"] == {
        "provider": "turnstile",
        "site_key": "public",
        "action": None,
    }
    assert b"very secret" not in answer.content


def test_a_broken_token_does_not_matter_here(api: Api) -> None:
    assert api.get("settings/", Authorization="Bearer nonsense").status_code == 200
