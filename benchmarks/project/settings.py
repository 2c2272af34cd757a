"""A project of the usual kind; what an arm of a benchmark changes comes from the environment."""

from __future__ import annotations

import json
import os

import dj_database_url

SECRET_KEY = "only-for-benchmarks-and-long-enough-for-hs256"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "benchmarks.project.urls"
WSGI_APPLICATION = "benchmarks.project.wsgi.application"
AUTH_USER_MODEL = "project.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "anonauth",
    "anonauth.contrib.simplejwt",
    "benchmarks.project",
]
if os.environ.get("BENCH_BELONGINGS"):
    INSTALLED_APPS.append("benchmarks.belongings")
MIGRATION_MODULES: dict[str, None] = dict.fromkeys(("auth", "contenttypes", "project", "sessions"))

# What `startproject` writes. It costs the same in front of both views, so it brings their ratio
# nearer to 1; without it (BENCH_MIDDLEWARE=none) the difference between the views stands alone.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
if os.environ.get("BENCH_ANONAUTH"):
    MIDDLEWARE.append("anonauth.middleware.GuestMiddleware")
if os.environ.get("BENCH_MIDDLEWARE") == "none":
    MIDDLEWARE = []
if os.environ.get("BENCH_SESSION_IN_QUERY"):
    MIDDLEWARE.insert(0, "benchmarks.project.rows.SessionInQuery")
if os.environ.get("BENCH_ROW_SECURITY"):
    INSTALLED_APPS.append("anonauth.contrib.postgres")
    MIDDLEWARE.append("anonauth.contrib.postgres.middleware.RowSecurityMiddleware")

DATABASES = {"default": dj_database_url.parse(os.environ["BENCH_DATABASE_URL"], conn_max_age=None)}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if os.environ.get("BENCH_REDIS_URL"):
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ["BENCH_REDIS_URL"],
    }

ANONAUTH_RATE_LIMITS = json.loads(os.environ.get("BENCH_RATE_LIMITS", "[]"))

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}
