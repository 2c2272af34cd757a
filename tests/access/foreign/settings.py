"""Settings of one foreign project; FOREIGN_PROJECT names it."""

from __future__ import annotations

import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.access.foreign.projects import PROJECTS, chosen

NAME = chosen()
PROJECT = PROJECTS[NAME]
VAR = Path(os.environ.get("FOREIGN_VAR", tempfile.gettempdir()))

SECRET_KEY = "only-for-an-audit-that-serves-nobody-at-all"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
SITE_ID = 1
ROOT_URLCONF = "tests.access.foreign.urls"
AUTH_USER_MODEL = "users.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
MEDIA_ROOT = str(VAR)
LOGIN_URL = "/login/"
SILENCED_SYSTEM_CHECKS: list[str] = []

INSTALLED_APPS = list(
    dict.fromkeys(
        [
            "tests.access.foreign.users",
            *PROJECT.apps,
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "django.contrib.sites",
            "django.contrib.staticfiles",
            "anonauth",
        ]
    )
)
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "anonauth.middleware.GuestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    *PROJECT.middleware,
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                *PROJECT.context_processors,
            ]
        },
    }
]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR / f"{NAME}.sqlite3")}
}
if NAME == "oscar":
    globals().update(vars(import_module("oscar.defaults")))

globals().update(PROJECT.settings)
