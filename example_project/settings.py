"""Settings of the example shop. What anonauth needs is marked; everything may be set from the environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
import django

from example_project.env import Environment

BASE_DIR = Path(__file__).resolve().parent
VAR_DIR = BASE_DIR / "var"

env = Environment()

DEBUG = env.flag("DEBUG", default=True)
SECRET_KEY = env.secret(
    "SECRET_KEY",
    default="only-for-development-and-never-for-a-real-shop" if DEBUG else "",
)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if DEBUG else "")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # anonauth, and its folders for the libraries that this project uses
    "anonauth",
    "anonauth.contrib.allauth",
    "anonauth.contrib.simplejwt",
    "anonauth.contrib.spectacular",
    "anonauth.contrib.postgres",
    # sign-up, sign-in, social accounts
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.headless",
    "allauth.mfa",
    # the API and its page
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    # the shop
    "example_project.accounts",
    "example_project.mailbox",
    "example_project.shop",
]
if DEBUG:
    # allauth's dummy provider signs anybody in as whoever he says he is: for development only.
    INSTALLED_APPS += ["allauth.socialaccount.providers.dummy"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Right behind AuthenticationMiddleware: nothing may look at request.user before allauth.
    "allauth.account.middleware.AccountMiddleware",
    "anonauth.middleware.GuestMiddleware",
    "anonauth.contrib.postgres.middleware.RowSecurityMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
ASGI_APPLICATION = "example_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "example_project.shop.context_processors.shop",
            ],
        },
    },
]

# Database and cache

DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        env.text("DATABASE_URL", f"sqlite:///{VAR_DIR / 'shop.sqlite3'}"), conn_max_age=60
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Writers wait for each other instead of failing with "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES: dict[str, Any] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if env.text("CACHE_URL"):
    # Rate limits are counted in the cache: more than one process needs one that they share.
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.text("CACHE_URL"),
    }

# Users: anonauth, then allauth with e-mail and password

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    # Guests' sessions name this one: with it allauth's sign-up and login pages serve a guest.
    "anonauth.contrib.allauth.backends.GuestBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "shop:account"
LOGOUT_REDIRECT_URL = "shop:products"

ANONAUTH_ADAPTER = "example_project.accounts.adapter.ShopAdapter"
ANONAUTH_UPGRADE_URL = "shop:keep"
# Where the browser goes back to after a social upgrade that an app began; the app opens by its own scheme.
ANONAUTH_REDIRECT_URIS = ("saltbox://upgraded",)
# Any ANONAUTH_* variable of the environment, as JSON: ANONAUTH_RATE_LIMITS='["1000/m"]'
globals().update(env.anonauth())

# A guest who signs up there, or connects a social account, stays the row that he is.
ACCOUNT_ADAPTER = "example_project.accounts.adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "anonauth.contrib.allauth.adapters.SocialAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_DISPLAY = "example_project.accounts.models.display_name"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Saltbox: "
HEADLESS_CLIENTS = ("app", "browser")
MFA_TOTP_ISSUER = "Saltbox"

SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {}
if env.text("OIDC_SERVER_URL"):
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "APPS": [
            {
                "provider_id": "oidc",
                "name": "OpenID Connect",
                "client_id": env.text("OIDC_CLIENT_ID"),
                "secret": env.text("OIDC_CLIENT_SECRET"),
                "settings": {"server_url": env.text("OIDC_SERVER_URL")},
            }
        ]
    }

# The API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # The first one decides between 401 and 403 for visitors: a bearer scheme says 401.
        "anonauth.contrib.simplejwt.authentication.JWTAuthentication",
        "anonauth.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    # REST framework's own parser answers 500 to "[[[[…" and lets 1e400 through.
    "DEFAULT_PARSER_CLASSES": ["anonauth.api.parsers.BoundedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "example_project.shop.api.errors.exception_handler",
}
SIMPLE_JWT = {
    # For a guest the refresh token is the account: it lives longer than anonauth keeps him, and each use renews it.
    "REFRESH_TOKEN_LIFETIME": timedelta(days=60),
    "ROTATE_REFRESH_TOKENS": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Saltbox",
    "DESCRIPTION": "The API of the example shop, and anonauth's under /auth/.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/",  # the next part of the path groups the operations
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# Mail: to files where EMAIL_FILE_PATH says so, else to the mailbox page of development

EMAIL_DIR = env.path("EMAIL_FILE_PATH")
if EMAIL_DIR:
    MAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
elif DEBUG:
    MAIL_BACKEND = "example_project.mailbox.backend.EmailBackend"
else:
    MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {
            "BACKEND": MAIL_BACKEND,
            "OPTIONS": {"file_path": EMAIL_DIR} if EMAIL_DIR else {},
        }
    }
else:
    EMAIL_BACKEND = MAIL_BACKEND
    EMAIL_FILE_PATH = EMAIL_DIR
DEFAULT_FROM_EMAIL = "Saltbox <shop@saltbox.example>"

# Language, time, files

LANGUAGE_CODE = "en-us"
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"

# Security: with DEBUG off the shop is meant to be behind HTTPS

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_AGE = 60 * 60 * 24 * 60  # longer than a guest is kept, so that the row decides
SECURE_HSTS_SECONDS = 0 if DEBUG else 60 * 60 * 24 * 30
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=not DEBUG)
X_FRAME_OPTIONS = "DENY"
