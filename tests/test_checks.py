"""Each system check: what triggers it, and that it stays silent otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AbstractUser
from django.core.checks import CheckMessage, run_checks
from django.db import models
from django.test.utils import isolate_apps
from rest_framework_simplejwt.settings import api_settings

from anonauth import checks
from anonauth.models import GuestMixin

if TYPE_CHECKING:
    from pytest_django import Settings


def ids(messages: Iterable[CheckMessage]) -> list[str]:
    return sorted(str(message.id) for message in messages)


def all_ids(*, deploy: bool = False) -> list[str]:
    found = run_checks(tags=["anonauth"], include_deployment_checks=deploy, databases=[])
    return ids(m for m in found if str(m.id).startswith("anonauth."))


def user_model_ids(monkeypatch: pytest.MonkeyPatch, model: Any) -> list[str]:
    monkeypatch.setattr(checks, "get_user_model", lambda: model)
    return ids(checks.check_user_model(None))


def test_the_test_project_is_clean() -> None:
    assert all_ids() == []


# --- the user model


@isolate_apps("tests")
def test_a_model_without_the_mixin_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(AbstractBaseUser):
        class Meta:
            app_label = "tests"

    assert user_model_ids(monkeypatch, Plain) == ["anonauth.E001"]


@isolate_apps("tests")
def test_a_field_named_is_anonymous_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clash(GuestMixin, AbstractBaseUser):
        is_anonymous = models.BooleanField(default=False, db_column="other")  # type: ignore[assignment]

        class Meta(GuestMixin.Meta):
            app_label = "tests"

    assert user_model_ids(monkeypatch, Clash) == ["anonauth.E002"]


@isolate_apps("tests")
@pytest.mark.parametrize("value", [True, property(lambda self: self.is_guest)])
def test_an_attribute_that_hides_is_anonymous_is_an_error(
    monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    class Clash(GuestMixin, AbstractBaseUser):
        is_anonymous = value

        class Meta(GuestMixin.Meta):
            app_label = "tests"

    assert user_model_ids(monkeypatch, Clash) == ["anonauth.E002"]


@isolate_apps("tests")
def test_the_mixin_behind_the_base_is_an_error_since_nothing_could_be_revoked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Late(AbstractBaseUser, GuestMixin):  # type: ignore[metaclass, misc]
        class Meta(GuestMixin.Meta):
            app_label = "tests"

    assert user_model_ids(monkeypatch, Late) == ["anonauth.E003"]


@isolate_apps("tests")
def test_a_session_hash_of_the_projects_own_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(GuestMixin, AbstractBaseUser):
        def get_session_auth_hash(self) -> str:
            return "constant"

        class Meta(GuestMixin.Meta):
            app_label = "tests"

    assert user_model_ids(monkeypatch, Own) == ["anonauth.E003"]


@isolate_apps("tests")
def test_a_meta_that_forgets_the_index_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoIndex(GuestMixin, AbstractBaseUser):
        class Meta:
            app_label = "tests"

    assert user_model_ids(monkeypatch, NoIndex) == ["anonauth.W101"]


@isolate_apps("tests", "django.contrib.auth", "django.contrib.contenttypes")
def test_the_documented_model_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    class Documented(GuestMixin, AbstractUser):
        class Meta(GuestMixin.Meta):
            app_label = "tests"

    assert user_model_ids(monkeypatch, Documented) == []


# --- settings


def test_an_unknown_setting_is_an_error(settings: Settings) -> None:
    settings.ANONAUTH_RATE_LIMIT = "30/h"

    assert all_ids() == ["anonauth.E004"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENABLED", "yes"),
        ("ADAPTER", "tests.nowhere.Adapter"),
        ("ADAPTER", "anonauth.conf.Settings"),
        ("CREDENTIALS", []),
        ("CREDENTIALS", "jwt"),
        ("CREDENTIALS", ["cookie"]),
        ("CREDENTIALS", ["anonauth.adapter.Adapter"]),
        ("PROFILE_SERIALIZER", "tests.nowhere.Serializer"),
        ("RATE_LIMIT_CACHE", "nowhere"),
        ("RATE_LIMIT_CACHE", ["default"]),
        ("RATE_LIMITS", "30/h"),
        ("RATE_LIMITS", ["30 per hour"]),
        ("RATE_LIMITS", [30]),
        ("TRUSTED_PROXY_COUNT", -1),
        ("TRUSTED_PROXY_COUNT", True),
        ("BOT_USER_AGENTS", ["("]),
        ("BOT_USER_AGENTS", ["Googlebot", ""]),
        ("CAPTCHA", "friendly"),
        ("CAPTCHA", "anonauth.adapter.Adapter"),
        ("CAPTCHA_MIN_SCORE", 1.5),
        ("CAPTCHA_TIMEOUT", "3"),
        ("MAX_GUESTS", -1),
        ("MAX_GUESTS", 1.5),
        ("PURGE_AFTER", 30),
        ("PURGE_AFTER", timedelta(0)),
        ("SESSION_BACKEND", "tests.nowhere.Backend"),
    ],
)
def test_a_value_that_cannot_work_is_an_error(settings: Settings, name: str, value: Any) -> None:
    setattr(settings, f"ANONAUTH_{name}", value)

    found = [m for m in run_checks(tags=["anonauth"], databases=[]) if m.id == "anonauth.E005"]

    assert len(found) == 1
    assert found[0].msg.startswith(f"ANONAUTH_{name}: ")
    assert found[0].hint


def test_good_values_are_no_errors(settings: Settings) -> None:
    settings.ANONAUTH_CREDENTIALS = ["session"]
    settings.ANONAUTH_RATE_LIMITS = ("30/h", "3/10s")
    settings.ANONAUTH_CAPTCHA_TIMEOUT = 2
    settings.ANONAUTH_CAPTCHA_MIN_SCORE = 0.5
    settings.ANONAUTH_MAX_GUESTS = 100
    settings.ANONAUTH_BOT_USER_AGENTS = []
    settings.ANONAUTH_SESSION_BACKEND = settings.AUTHENTICATION_BACKENDS[0]

    assert all_ids() == []


def test_a_captcha_without_its_secret_is_an_error(settings: Settings) -> None:
    settings.ANONAUTH_CAPTCHA = "turnstile"
    assert all_ids() == ["anonauth.E005"]

    settings.ANONAUTH_CAPTCHA_SECRET = "secret"
    assert all_ids() == []


@pytest.mark.parametrize(("kind", "app"), checks.KIND_APPS.items())
def test_a_kind_without_the_app_that_it_needs_is_an_error(
    settings: Settings, kind: str, app: str
) -> None:
    settings.INSTALLED_APPS = [a for a in settings.INSTALLED_APPS if a != app]
    settings.ANONAUTH_CREDENTIALS = [kind, "session"]

    assert ids(checks.check_kinds_installed(None)) == ["anonauth.E006"]
    settings.ANONAUTH_CREDENTIALS = ["session"]
    assert ids(checks.check_kinds_installed(None)) == []


# --- middleware


def test_sessions_without_the_middleware_are_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if m != checks.MIDDLEWARE]
    assert all_ids() == ["anonauth.W102"]

    settings.ANONAUTH_CREDENTIALS = ["jwt"]
    assert all_ids() == []


def test_middleware_out_of_order_is_a_warning(settings: Settings) -> None:
    settings.MIDDLEWARE = [
        checks.MIDDLEWARE,
        *(m for m in settings.MIDDLEWARE if m != checks.MIDDLEWARE),
    ]

    assert all_ids() == ["anonauth.W103"]


# --- how long credentials last


def test_sessions_that_die_before_the_data_are_a_warning(settings: Settings) -> None:
    settings.SESSION_COOKIE_AGE = 14 * 86400
    assert all_ids() == ["anonauth.W107"]

    settings.ANONAUTH_PURGE_AFTER = timedelta(days=14)
    assert all_ids() == []


@pytest.mark.parametrize(
    "change", [{"REFRESH_TOKEN_LIFETIME": timedelta(days=1)}, {"ROTATE_REFRESH_TOKENS": False}]
)
def test_refresh_tokens_that_die_before_the_data_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        monkeypatch.setattr(api_settings, name, value)

    assert all_ids() == ["anonauth.W203"]


# --- simplejwt


def test_a_user_id_field_that_is_no_key_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_settings, "USER_ID_FIELD", "uid")

    assert all_ids() == ["anonauth.E201"]


def test_sliding_tokens_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from rest_framework_simplejwt.tokens import SlidingToken

    monkeypatch.setattr(api_settings, "AUTH_TOKEN_CLASSES", (SlidingToken,))

    assert all_ids() == ["anonauth.E202"]


# --- deploy


def test_what_only_production_needs_is_said_at_deploy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all_ids() == []
    assert all_ids(deploy=True) == ["anonauth.W104", "anonauth.W105", "anonauth.W204"]

    settings.ANONAUTH_MAX_GUESTS = 1000
    assert all_ids(deploy=True) == ["anonauth.W104", "anonauth.W204"]
    settings.ANONAUTH_RATE_LIMITS = []
    monkeypatch.setattr(api_settings, "SIGNING_KEY", "a key of their own for the tokens")
    assert all_ids(deploy=True) == []


def test_the_cache_that_counts_is_the_one_that_is_checked(settings: Settings) -> None:
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x"}
    settings.CACHES = {**settings.CACHES, "limits": redis}
    settings.ANONAUTH_RATE_LIMIT_CACHE = "limits"

    assert all_ids(deploy=True) == ["anonauth.W105", "anonauth.W204"]


def test_a_door_that_nobody_decided_to_open_to_guests_is_a_warning(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.access.test_command"

    (warning,) = checks.check_access(None)

    assert warning.id == "anonauth.W120"
    assert "reached 2 views in the probe" in warning.msg
    assert "tests.access.test_command.cart" in warning.msg
    settings.ANONAUTH_GUESTS_ALLOWED = ["cart  # carts are for guests", "desk  # and a desk"]
    assert checks.check_access(None) == []


def test_a_door_is_looked_at_without_the_database(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.access.lab"  # pytest-django refuses the database to this test

    (warning,) = checks.check_access(None)

    assert "…" in warning.msg


def test_an_entry_of_what_guests_may_reach_without_a_reason_is_an_error(settings: Settings) -> None:
    settings.ANONAUTH_GUESTS_ALLOWED = ["shop:cart"]

    assert all_ids() == ["anonauth.E005"]


@pytest.mark.parametrize(
    "change", [{"URL": "http://captcha.example/"}, {"MIN_SCORE": 0.5}, {"TIMEOUT": 0.0}]
)
def test_a_captcha_that_cannot_work_is_an_error(settings: Settings, change: dict[str, Any]) -> None:
    settings.ANONAUTH_CAPTCHA = "turnstile"
    settings.ANONAUTH_CAPTCHA_SECRET = "secret"
    for name, value in change.items():
        setattr(settings, f"ANONAUTH_CAPTCHA_{name}", value)

    assert all_ids() == ["anonauth.E005"]


def test_guests_without_any_way_to_upgrade_are_a_warning(settings: Settings) -> None:
    settings.INSTALLED_APPS = [a for a in settings.INSTALLED_APPS if not a.startswith("allauth")]

    assert ids(checks.check_upgrade_path(None)) == ["anonauth.W106"]


def test_an_upgrade_page_that_is_none_is_an_error(settings: Settings) -> None:
    settings.ANONAUTH_UPGRADE_URL = "nowhere"
    assert "anonauth.E008" in ids(run_checks(tags=["anonauth"], databases=[]))
    settings.ANONAUTH_UPGRADE_URL = "/keep/"
    assert "anonauth.E008" not in ids(run_checks(tags=["anonauth"], databases=[]))
