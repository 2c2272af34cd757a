"""System checks: each has its own id, says what to do and is documented in ``docs/checks.md``.

Errors are E001 and up, warnings W101 and up. Those that only matter in production are marked ``deploy``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.module_loading import import_string

from anonauth.access.allowed import parse_allowed
from anonauth.access.report import audit
from anonauth.adapter import Adapter, get_adapter
from anonauth.captcha import URLS, CaptchaVerifier, SiteVerifyCaptcha, get_captcha
from anonauth.conf import PREFIX, Settings, get_settings, unknown_names
from anonauth.credentials import BUILT_IN, Credentials
from anonauth.models import GuestMixin
from anonauth.quotas import fault_of
from anonauth.rates import parse_rate

TAG = "anonauth"
MIDDLEWARE = "anonauth.middleware.GuestMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
KIND_APPS = {"headless": "anonauth.contrib.allauth", "jwt": "anonauth.contrib.simplejwt"}
UPGRADE_APPS = ("allauth", "allauth.account", "anonauth.contrib.allauth")
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"


@register(TAG, Tags.models)
def check_user_model(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001, E002, E003, W101: the user model."""
    model: Any = get_user_model()
    found: list[CheckMessage] = []
    if _hides_is_anonymous(model):
        found.append(
            Error(
                "The user model has an attribute `is_anonymous` of its own.",
                hint="Django documents it as False for every saved user; permission backends and allauth "
                "rely on it. Name yours differently; GuestMixin has `is_guest` (column `is_anonymous`).",
                obj=model,
                id="anonauth.E002",
            )
        )
    if not issubclass(model, GuestMixin):
        hint = "class User(GuestMixin, AbstractUser): ...  (from anonauth.models import GuestMixin)"
        message = "AUTH_USER_MODEL does not inherit from anonauth.models.GuestMixin."
        return [*found, Error(message, hint=hint, obj=model, id="anonauth.E001")]
    if not _revocation_works(model):
        found.append(
            Error(
                "Revoking a user's credentials would not end his sessions.",
                hint="Make GuestMixin the first base of the user model, and let overrides of "
                "get_session_auth_hash() call super().",
                obj=model,
                id="anonauth.E003",
            )
        )
    if not any(
        index.fields == ["last_seen_at"] for index in model._meta.concrete_model._meta.indexes
    ):
        found.append(
            Warning(
                "The user model lacks the index that finds stale guests.",
                hint="Let the model's Meta inherit: `class Meta(GuestMixin.Meta)`, "
                "and leave `indexes` alone or add to it.",
                obj=model,
                id="anonauth.W101",
            )
        )
    return found


def _hides_is_anonymous(model: Any) -> bool:
    try:
        model._meta.get_field("is_anonymous")
    except FieldDoesNotExist:
        own = next(
            (vars(c)["is_anonymous"] for c in model.__mro__ if "is_anonymous" in vars(c)), None
        )
        return own is not vars(AbstractBaseUser)["is_anonymous"]
    return True


def _revocation_works(model: Any) -> bool:
    before, after = model(), model(credentials_revoked_at=timezone.now())
    return bool(before.get_session_auth_hash() != after.get_session_auth_hash())


@register(TAG)
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E004, E005: names and values of the settings."""
    found: list[CheckMessage] = [
        Error(
            f"{name} is no setting of anonauth.",
            hint="Compare the name with docs/settings.md.",
            id="anonauth.E004",
        )
        for name in unknown_names()
    ]
    conf = get_settings()
    hints = get_type_hints(Settings)
    for field in fields(Settings):
        value = getattr(conf, field.name)
        fault = _type_fault(value, hints[field.name]) or _value_fault(field.name, value)
        if fault:
            name = PREFIX + field.name.upper()
            found.append(
                Error(f"{name}: {fault}", hint="See docs/settings.md.", id="anonauth.E005")
            )
    return found


def sound_settings() -> bool:
    """Tell whether the checks that build on the settings can rely on their types."""
    return not check_settings(None)


def _type_fault(value: Any, hint: Any) -> str | None:
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return None if any(_is_a(value, option) for option in options) else f"{value!r} is no {hint}."


def _is_a(value: Any, kind: Any) -> bool:
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(isinstance(v, get_args(kind)[0]) for v in value)
    if kind in {int, float}:
        return isinstance(value, int | kind) and not isinstance(value, bool)
    return isinstance(value, kind)


def _value_fault(name: str, value: Any) -> str | None:
    if isinstance(value, timedelta) and value <= timedelta(0):
        return "has to be longer than nothing."
    if name in {"max_guests", "trusted_proxy_count"} and value is not None and value < 0:
        return "cannot be negative."
    if name in {"code_attempts", "codes_per_address"} and value < 1:
        return "has to be at least 1."
    check = _VALUE_CHECKS.get(name)
    if check is None or value is None:
        return None
    try:
        check(value)
    except (ImportError, ImproperlyConfigured, ValueError, re.error) as error:
        return str(error)
    return None


def _subclass(path: str, base: type) -> None:
    kind = import_string(path)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise ValueError(f"{path} is no subclass of {base.__module__}.{base.__name__}.")


def _check_credentials(names: Sequence[str]) -> None:
    if not names:
        raise ValueError("name at least one kind.")
    for name in names:
        if name not in BUILT_IN and "." not in name:
            raise ValueError(f"there is no kind {name!r}; built in are {', '.join(BUILT_IN)}.")
        _subclass(BUILT_IN.get(name, name), Credentials)


def _check_rates(rates: Sequence[str]) -> None:
    for rate in rates:
        parse_rate(rate)


def _check_captcha(name: str) -> None:
    if "." in name:
        _subclass(name, CaptchaVerifier)
    elif name not in URLS:
        raise ValueError(f"there is no provider {name!r}; built in are {', '.join(URLS)}.")
    verifier = get_captcha()
    if isinstance(verifier, SiteVerifyCaptcha) and (problems := verifier.problems()):
        raise ValueError(" ".join(problems))


def _check_patterns(expressions: Sequence[str]) -> None:
    for expression in expressions:
        if re.compile(expression).search(""):
            raise ValueError(f"{expression!r} matches every client.")


def _check_allowed(lines: Sequence[str]) -> None:
    for line in lines:
        parse_allowed(line)


def _check_score(score: float) -> None:
    if not 0 <= score <= 1:
        raise ValueError("a score lies between 0.0 and 1.0.")


def _check_backend(path: str) -> None:
    if path not in django_settings.AUTHENTICATION_BACKENDS:
        raise ValueError(f"{path} is not in AUTHENTICATION_BACKENDS.")


def _check_policy(policy: str) -> None:
    if policy not in {"ask", "always", "never"}:
        raise ValueError(f'{policy!r} is none of "ask", "always" and "never".')


def _check_speaker(name: str) -> None:
    if name not in {"visitor", "service"}:
        raise ValueError(f'"visitor" or "service", not {name!r}.')


def _check_cache(alias: str) -> None:
    if alias not in django_settings.CACHES:
        raise ValueError(f"{alias!r} is not in CACHES.")


_VALUE_CHECKS: dict[str, Any] = {
    "adapter": lambda path: _subclass(path, Adapter),
    "merge_on_login": _check_policy,
    "merge_rate_limits": _check_rates,
    "bot_user_agents": _check_patterns,
    "captcha": _check_captcha,
    "captcha_min_score": _check_score,
    "credentials": _check_credentials,
    "guests_allowed": _check_allowed,
    "profile_serializer": import_string,
    "address_rate_limits": _check_rates,
    "code_rate_limits": _check_rates,
    "rate_limit_cache": _check_cache,
    "rate_limits": _check_rates,
    "row_security_outside_requests": _check_speaker,
    "token_rate_limits": _check_rates,
    "verify_rate_limits": _check_rates,
    "session_backend": _check_backend,
}


@register(TAG)
def check_middleware(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W102, W103: the middleware that sessions of guests need, in their order."""
    if not sound_settings() or "session" not in get_settings().credentials:
        return []
    order = [MIDDLEWARE, AUTHENTICATION, SESSION]
    installed = list(django_settings.MIDDLEWARE)
    if MIDDLEWARE not in installed:
        return [
            Warning(
                "anonauth.middleware.GuestMiddleware is not installed.",
                hint="Add it to MIDDLEWARE after AuthenticationMiddleware: it answers refusals, keeps new "
                "guests' cookies out of caches and remembers visits. For an API with tokens alone set "
                'ANONAUTH_CREDENTIALS = ["jwt"].',
                id="anonauth.W102",
            )
        ]
    places = [installed.index(name) if name in installed else len(installed) for name in order]
    if places != sorted(places, reverse=True):
        return [
            Warning(
                "The middleware of guests' sessions is out of order.",
                hint="SessionMiddleware, AuthenticationMiddleware, then GuestMiddleware.",
                id="anonauth.W103",
            )
        ]
    return []


@register(TAG)
def check_session_age(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W107: the cookie dies before the data that only it leads to."""
    conf = get_settings()
    age = timedelta(seconds=django_settings.SESSION_COOKIE_AGE)
    if not sound_settings() or "session" not in conf.credentials or age >= conf.purge_after:
        return []
    return [
        Warning(
            f"Guests' data are kept for {conf.purge_after.days} days, their sessions for {age.days}.",
            hint="A guest without his session cannot come back. Set SESSION_COOKIE_AGE to at least "
            "ANONAUTH_PURGE_AFTER, or keep guests' data less long.",
            id="anonauth.W107",
        )
    ]


@register(TAG, deploy=True)
def check_rate_limit_cache(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W104: a cache that cannot count for all processes."""
    conf = get_settings()
    if not sound_settings() or not conf.rate_limits:
        return []
    kind = django_settings.CACHES[conf.rate_limit_cache].get("BACKEND", "").rpartition(".")[2]
    if kind not in {"LocMemCache", "DummyCache", "FileBasedCache", "DatabaseCache"}:
        return []
    return [
        Warning(
            f"Rate limits are counted in {kind}, which does not count exactly for all processes.",
            hint="Use Redis or Memcached: CACHES, and ANONAUTH_RATE_LIMIT_CACHE for an alias of its own.",
            id="anonauth.W104",
        )
    ]


@register(TAG, deploy=True)
def check_mass_creation(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W105: nothing but the address of the client limits how many guests can be made."""
    conf = get_settings()
    if conf.captcha is not None or conf.max_guests is not None:
        return []
    return [
        Warning(
            "Neither a captcha nor a cap limits how many guests can be made.",
            hint="A botnet has many addresses. Set ANONAUTH_CAPTCHA or ANONAUTH_MAX_GUESTS.",
            id="anonauth.W105",
        )
    ]


@register(TAG)
def check_upgrade_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E008: the page on which guests upgrade is none, so that they get an error where they are sent there."""
    url = get_settings().upgrade_url if sound_settings() else None
    try:
        resolve_url(url or "/")
    except NoReverseMatch as error:
        return [
            Error(
                f"ANONAUTH_UPGRADE_URL names no page: {error}",
                hint="Name a URL of your URLconf, or write a path.",
                id="anonauth.E008",
            )
        ]
    return []


@register(TAG)
def check_quotas(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E007: a quota of which no row could be made, by guests alone."""
    if not sound_settings():
        return []
    return [
        Error(
            f"Adapter.quotas() names {quota.model!r}: {fault}",
            hint="Name a model by its label, and fields of it; a guest who makes a row would get an error.",
            id="anonauth.E007",
        )
        for quota in get_adapter().quotas()
        if (fault := fault_of(quota)) is not None
    ]


@register(TAG, deploy=True)
def check_upgrade_path(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W106: guests could never become permanent, or not by allauth's pages."""
    if all(apps.is_installed(name) for name in UPGRADE_APPS):
        return []
    return [
        Warning(
            "Guests have no way to become permanent users.",
            hint=f"Have all of these in INSTALLED_APPS: {', '.join(UPGRADE_APPS)}.",
            id="anonauth.W106",
        )
    ]


@register(TAG, deploy=True)
def check_access(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W120: doors that open to guests, and not to visitors, without anybody having said so."""
    if not sound_settings() or not issubclass(get_user_model(), GuestMixin):
        return []
    allowed = [parse_allowed(line) for line in get_settings().guests_allowed]
    # Checks do not touch the database unless they are asked to.
    findings = audit(allowed=allowed, database=False)
    views = list(dict.fromkeys(f.view for f in findings if f.is_open_question))
    if not views:
        return []
    shown = ", ".join(views[:5]) + (", …" if len(views) > 5 else "")
    return [
        Warning(
            f"Guests, but not visitors, reached {len(views)} views in the probe: {shown}.",
            hint="Close them with permanent_required or IsPermanentUser, or say that it is meant so with "
            "guests_allowed or ANONAUTH_GUESTS_ALLOWED. All of them, and those about which nothing can be "
            "said: manage.py audit_anonymous_access.",
            id="anonauth.W120",
        )
    ]


@register(TAG)
def check_kinds_installed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E006: credentials are issued that nobody could use or refresh."""
    return [
        Error(
            f'ANONAUTH_CREDENTIALS names "{kind}", but {app} is not installed.',
            hint="Add it to INSTALLED_APPS, or take the kind out.",
            id="anonauth.E006",
        )
        for kind, app in KIND_APPS.items()
        if kind in get_settings().credentials and not apps.is_installed(app)
    ]
