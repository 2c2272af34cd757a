"""Real requests and answers; a test compares them with the schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

GUEST: dict[str, Any] = {
    "id": "0b5b8f3e-6d0c-4f2e-9a55-0d3c6f9a7b1e",
    "is_anonymous": True,
    "email": None,
    "identities": [],
    "created_at": "2026-05-04T09:30:00.125000Z",
    "last_seen_at": "2026-05-04T09:30:00.125000Z",
    "purge_at": "2026-06-03T09:30:00.125000Z",
    "upgrade_methods": [],
}
PERMANENT = GUEST | {
    "is_anonymous": False,
    "email": "ada@example.org",
    "identities": [{"type": "email", "email": "ada@example.org", "primary": True}],
    "purge_at": None,
    "upgrade_methods": [],
}
TOKENS: dict[str, Any] = {
    "access": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc19hbm9ueW1vdXMiOnRydWV9.c2lnbmF0dXJl",
    "expires_in": 300,
    "token_type": "Bearer",
    "refresh": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.c2lnbmF0dXJl",
}
SIGN_IN: dict[str, dict[str, Any]] = {
    "Nothing is needed": {},
    "With a captcha": {"captcha_token": "0.AQIDBAUGBwgJCgsMDQ4PEA"},
}
SIGNED_IN: dict[str, dict[str, Any]] = {
    "jwt": {"user": GUEST, "credentials": "jwt", **TOKENS},
    "session": {"user": GUEST, "credentials": "session"},
}
UPGRADED: dict[str, dict[str, Any]] = {
    kind: {**body, "user": PERMANENT} for kind, body in SIGNED_IN.items()
}
CODE_SENT = {"A code is on its way": {"expires_in": 900, "resend_after": 60}}
CODE = {"A code": {"code": "WDJB-MJHT"}}
PASSWORD = {"A password": {"password": "correct horse battery staple"}}
EMAIL = {
    "The address alone": {"email": "ada@example.org"},
    "All at once": {
        "email": "ada@example.org",
        "password": "correct horse battery staple",
        "name": "Ada Lovelace",
    },
}
PHONE = {"A number": {"phone": "+4930123456"}}
LOGIN = {
    "By address": {"email": "ada@example.org", "password": "correct horse battery staple"},
    "By name": {"username": "ada", "password": "correct horse battery staple"},
}
MERGE: dict[str, dict[str, Any]] = {
    "The guest's token": {"refresh": TOKENS["refresh"]},
    "A ticket and a choice": {
        "merge_ticket": "WyIwYjViIiwiN2M5ZSIsImVtYWlsIiwiMWEyYiIsIjNjNGQiXQ:1wAbCd:c2lnbmF0dXJl",
        "choices": {"shop.CartItem.user": "keep_anonymous"},
    },
    "After a login": {},
}
MERGE_REPORT: dict[str, Any] = {
    "guest_id": GUEST["id"],
    "account_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "relations": [
        {
            "name": "shop.CartItem.user",
            "label": "cart items",
            "rule": "combine",
            "anonymous": 3,
            "existing": 2,
            "moved": 2,
            "conflicts": 1,
            "dropped_anonymous": 1,
            "dropped_existing": 0,
            "also_dropped": 0,
            "choices": ["keep_existing", "keep_anonymous", "combine"],
        }
    ],
    "conflicts": [],
    "merged_at": None,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "Without a captcha": {
        "enabled": True,
        "credentials": ["jwt", "session"],
        "captcha": None,
        "upgrade_methods": [],
        "purge_after": 2592000,
    },
    "With a captcha": {
        "enabled": True,
        "credentials": ["jwt"],
        "captcha": {"provider": "turnstile", "site_key": "0x4AAAAAAA", "action": "sign_in"},
        "upgrade_methods": [],
        "purge_after": 2592000,
    },
}


def asked(values: dict[str, dict[str, Any]]) -> list[OpenApiExample]:
    """Return bodies as examples of a request."""
    return [OpenApiExample(name, value, request_only=True) for name, value in values.items()]


def answered(values: dict[str, dict[str, Any]], *statuses: int) -> list[OpenApiExample]:
    """Return bodies as examples of the answers with these statuses."""
    numbers = [str(number) for number in statuses]
    return [
        OpenApiExample(name, value, response_only=True, status_codes=numbers)
        for name, value in values.items()
    ]
