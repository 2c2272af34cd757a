from __future__ import annotations

from datetime import timedelta
from pathlib import Path

SECRET_KEY = "only-for-this-check-and-long-enough-for-hs256"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "newcomer.urls"
AUTH_USER_MODEL = "newcomer.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "anonauth",
    "anonauth.contrib.simplejwt",
    "newcomer",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "anonauth.middleware.GuestMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(__file__).resolve().parent.parent / "newcomer.sqlite3",
    }
}
SESSION_COOKIE_AGE = 30 * 86400
SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": True, "REFRESH_TOKEN_LIFETIME": timedelta(days=30)}
