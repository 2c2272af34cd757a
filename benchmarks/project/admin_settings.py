"""The same project with Django's admin, for what is measured in this process."""

from __future__ import annotations

from benchmarks.project.settings import *  # noqa: F403
from benchmarks.project.settings import INSTALLED_APPS, MIDDLEWARE, MIGRATION_MODULES

ROOT_URLCONF = "benchmarks.project.admin_urls"
ALLOWED_HOSTS = ["testserver"]
STATIC_URL = "/static/"
INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.admin", "django.contrib.messages"]
MIGRATION_MODULES = {**MIGRATION_MODULES, "admin": None}
MIDDLEWARE = [*MIDDLEWARE, "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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
