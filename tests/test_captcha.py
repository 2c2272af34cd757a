from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from anonauth.captcha import (
    MAX_TOKEN,
    CaptchaVerifier,
    SiteVerifyCaptcha,
    get_captcha,
    public_config,
)
from anonauth.exceptions import CaptchaFailed, CaptchaUnavailable
from tests.services.captcha import GOOD, CaptchaProvider, server

if TYPE_CHECKING:
    from pytest_django import Settings

SECRET = "the-secret-key"


class HouseCaptcha(CaptchaVerifier):
    """A project's own captcha."""

    provider = "house"

    def verify(self, token: str, *, remote_ip: str | None) -> None:
        """Let in whoever says friend."""
        if token != "friend":
            raise CaptchaFailed


@pytest.fixture
def provider(settings: Settings) -> Iterator[CaptchaProvider]:
    with server() as running:
        settings.ANONAUTH_CAPTCHA = "turnstile"
        settings.ANONAUTH_CAPTCHA_SECRET = SECRET
        settings.ANONAUTH_CAPTCHA_URL = running.url
        yield running


def verify(token: Any = GOOD, remote_ip: str | None = None) -> None:
    captcha = get_captcha()
    assert captcha is not None
    captcha.verify(token, remote_ip=remote_ip)


def test_a_token_that_the_provider_accepts_passes(provider: CaptchaProvider) -> None:
    verify(remote_ip="192.0.2.1")
    assert provider.forms == [{"secret": SECRET, "response": GOOD, "remoteip": "192.0.2.1"}]


def test_without_an_address_none_is_sent(provider: CaptchaProvider) -> None:
    verify()
    assert provider.forms == [{"secret": SECRET, "response": GOOD}]


def test_a_token_that_the_provider_rejects_fails(provider: CaptchaProvider) -> None:
    with pytest.raises(CaptchaFailed):
        verify("something else")
    assert len(provider.forms) == 1


@pytest.mark.parametrize(
    "token",
    [None, "", 7, True, ["a"], {"a": "b"}, b"bytes", "x" * (MAX_TOKEN + 1), "\ud800", "tökén"],
)
def test_what_is_no_token_fails_without_asking_the_provider(
    provider: CaptchaProvider, token: Any
) -> None:
    with pytest.raises(CaptchaFailed):
        verify(token)
    assert provider.forms == []


def test_the_longest_token_reaches_the_provider_whole(provider: CaptchaProvider) -> None:
    token = "&=" * (MAX_TOKEN // 2)
    with pytest.raises(CaptchaFailed):
        verify(token)
    assert provider.forms[0]["response"] == token


@pytest.mark.parametrize(
    "mode", ["500", "503", "404", "302", "307", "junk", "deep", "huge", "hang up", "cut", "no http"]
)
def test_a_provider_in_trouble_is_unavailable_and_blames_nobody(
    provider: CaptchaProvider, mode: str
) -> None:
    provider.mode = mode
    with pytest.raises(CaptchaUnavailable):
        verify()
    assert len(provider.forms) == 1  # asked once, no redirect was followed


@pytest.mark.parametrize("answer", [[], "true", True, 1, None, [{"success": True}]])
def test_an_answer_that_is_no_object_is_no_success(provider: CaptchaProvider, answer: Any) -> None:
    provider.answer = [answer]
    with pytest.raises(CaptchaUnavailable):
        verify()


@pytest.mark.parametrize("success", ["true", 1, None, [True], {}])
def test_only_true_itself_is_success(provider: CaptchaProvider, success: Any) -> None:
    provider.answer = {"success": success}
    with pytest.raises(CaptchaFailed):
        verify()


@pytest.mark.parametrize(
    "code",
    [
        "invalid-input-secret",
        "missing-input-secret",
        "bad-request",
        "internal-error",
        "sitekey-secret-mismatch",
    ],
)
def test_a_fault_of_ours_is_logged_and_not_the_visitors(
    provider: CaptchaProvider, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider.answer = {"success": False, "error-codes": ["invalid-input-response", code]}
    with pytest.raises(CaptchaUnavailable):
        verify()
    (record,) = (r for r in caplog.records if r.name == "anonauth.captcha")
    assert record.levelno == logging.ERROR
    assert code in record.getMessage()


@pytest.mark.parametrize(
    "codes",
    [["timeout-or-duplicate"], ["expired-input-response"], ["new-code"], [], "x", None, [7, {}]],
)
def test_every_other_code_is_the_visitors(provider: CaptchaProvider, codes: Any) -> None:
    provider.answer = {"success": False, "error-codes": codes}
    with pytest.raises(CaptchaFailed):
        verify()


def test_a_refused_connection_is_unavailable(settings: Settings) -> None:
    with server() as gone:
        pass
    settings.ANONAUTH_CAPTCHA = "turnstile"
    settings.ANONAUTH_CAPTCHA_SECRET = SECRET
    settings.ANONAUTH_CAPTCHA_URL = gone.url
    with pytest.raises(CaptchaUnavailable):
        verify()


def test_a_captcha_of_another_site_fails(provider: CaptchaProvider, settings: Settings) -> None:
    settings.ANONAUTH_CAPTCHA_HOSTNAMES = ["www.shop.example", "SHOP.example"]
    verify()
    settings.ANONAUTH_CAPTCHA_HOSTNAMES = ["www.shop.example"]
    with pytest.raises(CaptchaFailed):
        verify()
    provider.answer = {"success": True}
    with pytest.raises(CaptchaFailed):
        verify()


def test_a_captcha_for_another_action_fails(provider: CaptchaProvider, settings: Settings) -> None:
    settings.ANONAUTH_CAPTCHA_ACTION = "signin"
    verify()
    settings.ANONAUTH_CAPTCHA_ACTION = "checkout"
    with pytest.raises(CaptchaFailed):
        verify()
    provider.answer = {"success": True}
    with pytest.raises(CaptchaFailed):
        verify()


def test_a_score_below_the_lowest_fails(provider: CaptchaProvider, settings: Settings) -> None:
    settings.ANONAUTH_CAPTCHA = "recaptcha"
    settings.ANONAUTH_CAPTCHA_MIN_SCORE = 0.5
    for score in (0.5, 0.9, 1):
        provider.answer = {"success": True, "score": score}
        verify()
    for score in (0.4, 0, float("nan")):
        provider.answer = {"success": True, "score": score}
        with pytest.raises(CaptchaFailed):
            verify()


@pytest.mark.parametrize("score", [None, "0.9", True])
def test_a_missing_score_is_our_configuration_and_not_the_visitor(
    provider: CaptchaProvider, settings: Settings, score: Any
) -> None:
    settings.ANONAUTH_CAPTCHA = "recaptcha"
    settings.ANONAUTH_CAPTCHA_MIN_SCORE = 0.5
    provider.answer = {"success": True, "score": score}
    with pytest.raises(CaptchaUnavailable):
        verify()


def test_hcaptcha_is_told_the_site_key(provider: CaptchaProvider, settings: Settings) -> None:
    settings.ANONAUTH_CAPTCHA = "hcaptcha"
    settings.ANONAUTH_CAPTCHA_SITE_KEY = "site"
    verify()
    assert provider.forms[0]["sitekey"] == "site"


def test_neither_token_nor_secret_is_logged_whatever_happens(
    provider: CaptchaProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    echo = {"success": False, "error-codes": [GOOD, SECRET, "bad-request", "a\nb"], "x": GOOD}
    for mode, answer in [("500", None), ("junk", None), ("answer", echo), ("answer", [GOOD])]:
        provider.mode, provider.answer = mode, answer
        with pytest.raises(CaptchaUnavailable):
            verify()
    provider.answer = {"success": False, "error-codes": [SECRET.upper(), GOOD + "!"]}
    with pytest.raises(CaptchaFailed):
        verify()
    log = [r for r in caplog.records if r.name.startswith("anonauth")]
    assert len(log) == 5
    for record in log:
        assert GOOD not in record.getMessage()
        assert SECRET not in record.getMessage().lower()
        assert "\n" not in record.getMessage()
    assert SECRET not in repr(get_captcha())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANONAUTH_CAPTCHA_SECRET", ""),
        ("ANONAUTH_CAPTCHA_URL", "http://captcha.example/"),
        ("ANONAUTH_CAPTCHA_URL", "http://127.0.0.1.evil.example/"),
        ("ANONAUTH_CAPTCHA_URL", "file:///etc/passwd"),
        ("ANONAUTH_CAPTCHA_TIMEOUT", 0),
        ("ANONAUTH_CAPTCHA_MIN_SCORE", 0.5),  # Turnstile has none
    ],
)
def test_a_wrong_configuration_is_unavailable_and_nothing_is_sent(
    provider: CaptchaProvider, settings: Settings, name: str, value: Any
) -> None:
    setattr(settings, name, value)
    with pytest.raises(CaptchaUnavailable):
        verify()
    assert provider.forms == []
    captcha = get_captcha()
    assert isinstance(captcha, SiteVerifyCaptcha)
    (problem,) = captcha.problems()
    assert name in problem


def test_what_a_provider_does_not_have_is_a_problem() -> None:
    captcha = SiteVerifyCaptcha(
        provider="hcaptcha", url="https://x.example/", secret="s", action="a", min_score=7
    )
    assert len(captcha.problems()) == 3


@pytest.mark.parametrize("name", ["turnstile", "hcaptcha", "recaptcha"])
def test_the_built_in_providers_are_asked_by_https(settings: Settings, name: str) -> None:
    settings.ANONAUTH_CAPTCHA = name
    settings.ANONAUTH_CAPTCHA_SECRET = SECRET
    captcha = get_captcha()
    assert isinstance(captcha, SiteVerifyCaptcha)
    assert captcha.problems() == []
    assert captcha.url.startswith("https://")


def test_a_project_may_bring_its_own_captcha(settings: Settings) -> None:
    settings.ANONAUTH_CAPTCHA = f"{__name__}.HouseCaptcha"
    verify("friend")
    with pytest.raises(CaptchaFailed):
        verify("foe")


@pytest.mark.parametrize("path", ["turnstyle", "anonauth.captcha.Nothing", "builtins.dict"])
def test_a_path_to_no_captcha_is_an_error_of_configuration(settings: Settings, path: str) -> None:
    settings.ANONAUTH_CAPTCHA = path
    with pytest.raises(ImproperlyConfigured):
        get_captcha()


def test_clients_are_told_the_public_part_only(settings: Settings) -> None:
    assert public_config() is None
    settings.ANONAUTH_CAPTCHA = "turnstile"
    settings.ANONAUTH_CAPTCHA_SECRET = SECRET
    settings.ANONAUTH_CAPTCHA_SITE_KEY = "site"
    settings.ANONAUTH_CAPTCHA_ACTION = "signin"
    config = {"provider": "turnstile", "site_key": "site", "action": "signin"}
    assert public_config() == config
    assert SECRET not in json.dumps(public_config())
    settings.ANONAUTH_CAPTCHA = f"{__name__}.HouseCaptcha"
    assert public_config() == {**config, "provider": "house"}
