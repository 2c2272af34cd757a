"""Captchas: an extension point, and the providers that speak Google's ``siteverify``.

Nothing here logs a token or the secret.
"""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from anonauth.conf import get_settings
from anonauth.exceptions import CaptchaFailed, CaptchaUnavailable
from anonauth.outbound import is_safe, post_form

logger = logging.getLogger(__name__)

URLS = {
    "turnstile": "https://challenges.cloudflare.com/turnstile/v0/siteverify",
    "hcaptcha": "https://api.hcaptcha.com/siteverify",
    "recaptcha": "https://www.google.com/recaptcha/api/siteverify",
}

MAX_TOKEN = 16 * 1024  # Turnstile promises 2,048; hCaptcha sends more, and Google names no limit

# The codes of https://developers.cloudflare.com/turnstile/get-started/server-side-validation/,
# https://docs.hcaptcha.com/#siteverify-error-codes-table and
# https://developers.google.com/recaptcha/docs/verify; no visitor can be blamed for these.
_OUR_FAULT = {
    "bad-request",
    "internal-error",
    "invalid-input-secret",
    "invalid-remoteip",
    "missing-input-secret",
    "missing-remoteip",
    "not-using-dummy-passcode",
    "not-using-dummy-secret",
    "sitekey-secret-mismatch",
}
_VISITORS_FAULT = {
    "already-seen-response",
    "browser-error",
    "expired-input-response",
    "invalid-input-response",
    "missing-input-response",
    "timeout-or-duplicate",
}


class CaptchaVerifier(ABC):
    """Base of all captchas.

    ANONAUTH_CAPTCHA may be the dotted path of a subclass; it is made without arguments.
    """

    provider: str = "custom"  # the name that clients are told

    @abstractmethod
    def verify(self, token: str, *, remote_ip: str | None) -> None:
        """Return when the visitor solved the captcha.

        Called outside of any transaction. ``token`` is what the client sent: first check that it
        is text.

        Raises CaptchaFailed if it is the visitor's fault, CaptchaUnavailable if it cannot be told.
        """

    def public_config(self) -> dict[str, str | None]:
        """Return what a client needs to draw the captcha; everybody may read it."""
        settings = get_settings()
        return {
            "provider": self.provider,
            "site_key": settings.captcha_site_key,
            "action": settings.captcha_action,
        }


def get_captcha() -> CaptchaVerifier | None:
    """Return the verifier that ANONAUTH_CAPTCHA names, or None."""
    settings = get_settings()
    if settings.captcha is None:
        return None
    if settings.captcha in URLS:
        return SiteVerifyCaptcha(
            provider=settings.captcha,
            secret=settings.captcha_secret,
            url=settings.captcha_url or URLS[settings.captcha],
            site_key=settings.captcha_site_key,
            hostnames=settings.captcha_hostnames,
            action=settings.captcha_action,
            min_score=settings.captcha_min_score,
            timeout=settings.captcha_timeout,
        )
    try:
        verifier = import_string(settings.captcha)()
    except ImportError as error:
        raise ImproperlyConfigured(
            f"ANONAUTH_CAPTCHA is {settings.captcha!r}; it must be one of {', '.join(URLS)} or the "
            "dotted path of a CaptchaVerifier."
        ) from error
    if not isinstance(verifier, CaptchaVerifier):
        raise ImproperlyConfigured(f"{settings.captcha} is no subclass of CaptchaVerifier.")
    return verifier


def public_config() -> dict[str, str | None] | None:
    """Return ``{"provider", "site_key", "action"}`` for clients, or None without captcha."""
    captcha = get_captcha()
    return captcha.public_config() if captcha else None


@dataclass(frozen=True, kw_only=True)
class SiteVerifyCaptcha(CaptchaVerifier):
    """Turnstile, hCaptcha, reCAPTCHA v2 and v3, and whatever else speaks their protocol.

    ``timeout``, in seconds, is for everything together (see ``anonauth.outbound``).
    """

    provider: str = "custom"
    url: str
    secret: str = field(repr=False)
    site_key: str = ""
    hostnames: tuple[str, ...] = ()
    action: str | None = None
    min_score: float | None = None
    timeout: float = 3.0

    def problems(self) -> list[str]:
        """Return what is wrong with the configuration, in sentences for the operator."""
        found = []
        if not self.secret:
            found.append("ANONAUTH_CAPTCHA_SECRET is empty.")
        if not is_safe(self.url):
            found.append(
                "ANONAUTH_CAPTCHA_URL must begin with https:// (http:// only on loopback)."
            )
        if self.timeout <= 0:
            found.append("ANONAUTH_CAPTCHA_TIMEOUT must be more than 0 seconds.")
        if self.action and self.provider == "hcaptcha":
            found.append("hCaptcha has no actions; remove ANONAUTH_CAPTCHA_ACTION.")
        if self.min_score is not None and self.provider in ("hcaptcha", "turnstile"):
            # hCaptcha's scores even run the other way: 1.0 is a certain threat.
            found.append("ANONAUTH_CAPTCHA_MIN_SCORE is for reCAPTCHA v3 only.")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            found.append("ANONAUTH_CAPTCHA_MIN_SCORE must be between 0.0 and 1.0.")
        return found

    def verify(self, token: str, *, remote_ip: str | None) -> None:
        """Ask the provider, once: tokens are for one use."""
        if not _is_token(token):
            raise CaptchaFailed
        if problems := self.problems():
            logger.error("The captcha is not configured: %s", " ".join(problems))
            raise CaptchaUnavailable
        facts = {"secret": self.secret, "response": token}
        if remote_ip:
            facts["remoteip"] = remote_ip
        if self.provider == "hcaptcha" and self.site_key:
            # Or else a token that was solved on any other site of the account would do.
            facts["sitekey"] = self.site_key
        try:
            answer = json.loads(post_form(self.url, facts, seconds=self.timeout))
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            # The class only: a message might quote what was sent.
            logger.warning("The captcha provider did not answer: %s", type(error).__name__)
            raise CaptchaUnavailable from error
        self._judge(answer)

    def _judge(self, answer: Any) -> None:
        if not isinstance(answer, dict):
            logger.warning("The captcha provider's answer is not a JSON object.")
            raise CaptchaUnavailable
        if answer.get("success") is not True:
            codes = _known(answer.get("error-codes"))
            if codes & _OUR_FAULT:
                logger.error("The captcha provider refuses us: %s", ", ".join(sorted(codes)))
                raise CaptchaUnavailable
            logger.info("The captcha was not solved: %s", ", ".join(sorted(codes)))
            raise CaptchaFailed
        hostname = str(answer.get("hostname")).lower()
        if self.hostnames and hostname not in {name.lower() for name in self.hostnames}:
            logger.info(
                "The captcha was solved on a site that is not in ANONAUTH_CAPTCHA_HOSTNAMES."
            )
            raise CaptchaFailed
        if self.action and answer.get("action") != self.action:
            logger.info("The captcha was solved for another action.")
            raise CaptchaFailed
        if self.min_score is not None:
            self._judge_score(answer.get("score"), self.min_score)

    def _judge_score(self, score: Any, min_score: float) -> None:
        if isinstance(score, bool) or not isinstance(score, int | float):
            logger.error("ANONAUTH_CAPTCHA_MIN_SCORE is set, but this key is not of reCAPTCHA v3.")
            raise CaptchaUnavailable
        if not score >= min_score:  # not `<`: that would let NaN pass
            logger.info("The captcha's score is too low.")
            raise CaptchaFailed


def _is_token(token: object) -> bool:
    # Clients send what they like: lists, megabytes, half of a surrogate pair.
    return isinstance(token, str) and token.isascii() and 0 < len(token) <= MAX_TOKEN


def _known(codes: Any) -> set[str]:
    # These words go to the log, so nothing that a provider might quote from the request.
    known = _OUR_FAULT | _VISITORS_FAULT
    return {code for code in known if isinstance(codes, list) and code in codes}
