"""What the settings of the small projects share: the least that a project with anonauth needs."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import dj_database_url


def settings_for(
    name: str,
    *,
    username_field: str | None = None,
    email_field: str | None = "email",
    **simple_jwt: Any,
) -> dict[str, Any]:
    """Return the settings of the project in ``tests/projects/<name>/``.

    Args:
        username_field: what allauth calls the user's name, if he has one.
        email_field: the same of his address.
        simple_jwt: what its SIMPLE_JWT has beyond the rest.
    """
    database = dj_database_url.parse(os.environ.get("TEST_DATABASE_URL") or "sqlite://:memory:")
    if database["ENGINE"].endswith("postgresql"):
        # Not the test database of the run that started this one.
        database["TEST"] = {"NAME": f"test_project_{name}"}
    return {
        "SECRET_KEY": "only-for-the-tests-and-long-enough-for-hs256",
        "ALLOWED_HOSTS": ["*"],
        "USE_TZ": True,
        "ROOT_URLCONF": "tests.projects.urls",
        "AUTH_USER_MODEL": f"{name}.User",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "rest_framework",
            "allauth",
            "allauth.account",
            "allauth.socialaccount",
            "allauth.socialaccount.providers.dummy",
            "anonauth",
            "anonauth.contrib.allauth",
            "anonauth.contrib.simplejwt",
            "tests.projects.things",
            f"tests.projects.{name}",
        ],
        # Tables are made from the models; only anonauth's own migrations are run.
        "MIGRATION_MODULES": dict.fromkeys(
            ("account", "auth", "contenttypes", "sessions", "socialaccount", name)
        ),
        "MIDDLEWARE": [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "allauth.account.middleware.AccountMiddleware",
            "anonauth.middleware.GuestMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": ["django.template.context_processors.request"],
                },
            }
        ],
        "AUTHENTICATION_BACKENDS": [
            "anonauth.contrib.allauth.backends.GuestBackend",
            "allauth.account.auth_backends.AuthenticationBackend",
        ],
        "ACCOUNT_ADAPTER": "anonauth.contrib.allauth.adapters.AccountAdapter",
        "SOCIALACCOUNT_ADAPTER": "anonauth.contrib.allauth.adapters.SocialAccountAdapter",
        "ACCOUNT_USER_MODEL_USERNAME_FIELD": username_field,
        "ACCOUNT_USER_MODEL_EMAIL_FIELD": email_field,
        "ACCOUNT_LOGIN_METHODS": {"email"},
        "ACCOUNT_SIGNUP_FIELDS": ["email*", "password1*"],
        "ACCOUNT_EMAIL_VERIFICATION": "mandatory",
        "MAILERS": {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}},
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        "DATABASES": {"default": database},
        # Guests come back with their session or refresh token, for as long as their data are kept.
        "SESSION_COOKIE_AGE": 30 * 86400,
        "SIMPLE_JWT": {
            "ROTATE_REFRESH_TOKENS": True,
            "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
            **simple_jwt,
        },
    }
