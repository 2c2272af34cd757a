"""A plain project around anonauth; Django REST framework is left at its own defaults on purpose.

anonauth's views must not need any configuration of the project's REST framework.
``TEST_DATABASE_URL`` chooses the database; the default is SQLite in memory.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import dj_database_url

SECRET_KEY = "only-for-the-tests-and-long-enough-for-hs256"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"
ROOT_URLCONF = "tests.urls"
AUTH_USER_MODEL = "testapp.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
SITE_ID = 1
BELONGINGS_PLUGIN_MODEL = "belongings.OwnPlugin"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.dummy",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.headless",
    "allauth.mfa",
    "allauth.usersessions",
    "anonauth",
    "anonauth.contrib.allauth",
    "anonauth.contrib.simplejwt",
    "anonauth.contrib.spectacular",
    "anonauth.contrib.postgres",
    "tests.relations",
    "tests.testapp",
    "tests.belongings",
    "tests.contrib.postgres",
]

# Tables are made from the models, which is quick; only anonauth's own migrations are run.
MIGRATION_MODULES: dict[str, None] = dict.fromkeys(
    (
        "account",
        "admin",
        "auth",
        "contenttypes",
        "mfa",
        "relations",
        "rows",
        "sessions",
        "socialaccount",
        "testapp",
        "usersessions",
    )
)

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "anonauth.middleware.GuestMiddleware",
    "anonauth.contrib.postgres.middleware.RowSecurityMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTHENTICATION_BACKENDS = [
    "anonauth.contrib.allauth.backends.GuestBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}  # Django 6.1
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"

# What the documentation recommends: addresses are proved by codes, and before the account is permanent.
ACCOUNT_ADAPTER = "tests.testapp.adapters.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_METHODS = {"email", "phone"}
ACCOUNT_RATE_LIMITS = False  # turned on where they are tested
ACCOUNT_SIGNUP_FIELDS = ["email*", "phone", "password1*"]
SOCIALACCOUNT_ADAPTER = "tests.testapp.adapters.SocialAccountAdapter"
HEADLESS_CLIENTS = ("app", "browser")
HEADLESS_FRONTEND_URLS: dict[str, str] = {}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = True

# As long as guests are kept: without their session or refresh token they could not come back.
SESSION_COOKIE_AGE = 30 * 86400
SIMPLE_JWT = {"REFRESH_TOKEN_LIFETIME": timedelta(days=30), "ROTATE_REFRESH_TOKENS": True}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
DATABASES = {
    "default": dj_database_url.parse(os.environ.get("TEST_DATABASE_URL") or "sqlite://:memory:")
}

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {"TITLE": "anonauth", "VERSION": "0.1.0", "SERVE_INCLUDE_SCHEMA": False}
