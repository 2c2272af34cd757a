"""The settings: declared once, typed, read live.

Each field of :class:`Settings` is the setting ``ANONAUTH_<NAME>``. ``get_settings()`` is cached and cleared when Django
says that a setting changed, so that ``override_settings`` works everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

PREFIX = "ANONAUTH_"

KNOWN_BOTS = (
    r"Googlebot|Google-InspectionTool|Storebot-Google|AdsBot-Google|bingbot|BingPreview|YandexBot|Baiduspider|DuckDuckBot"
    r"|Applebot|Slurp|Sogou|SeznamBot|PetalBot|Bytespider|Amazonbot",
    r"GPTBot|ChatGPT-User|OAI-SearchBot|ClaudeBot|Claude-User|anthropic-ai|PerplexityBot|CCBot|meta-externalagent"
    r"|cohere-ai|Diffbot",
    r"facebookexternalhit|Twitterbot|LinkedInBot|Slackbot|Discordbot|TelegramBot|WhatsApp|SkypeUriPreview|Pinterestbot"
    r"|redditbot|Mastodon",
    r"AhrefsBot|SemrushBot|MJ12bot|DotBot|DataForSeoBot|UptimeRobot|Pingdom|StatusCake|HeadlessChrome-Lighthouse",
)


def _setting(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of anonauth, its type, its default and a sentence about it."""

    enabled: bool = _setting(
        True, "Whether new guests are accepted; those who exist stay signed in."
    )
    adapter: str = _setting("anonauth.adapter.Adapter", "Dotted path of the project's adapter.")
    credentials: tuple[str, ...] = _setting(
        ("jwt", "session"),
        "Kinds of credentials that sign-in may issue (a built-in name or a dotted path); "
        "the first is the default.",
    )
    profile_serializer: str | None = _setting(
        None, "Dotted path of the serializer that validates `profile` at sign-in."
    )
    session_backend: str | None = _setting(
        None,
        "The entry of AUTHENTICATION_BACKENDS that guests' sessions name; default: the first.",
    )
    upgrade_url: str | None = _setting(
        None, "URL or URL name to which pages for permanent users send a guest; default: LOGIN_URL."
    )
    rate_limits: tuple[str, ...] = _setting(
        ("30/h",), "Limits on new guests per client network, all in force: `<count>/<n><s|m|h|d>`."
    )
    rate_limit_cache: str = _setting(
        "default", "The entry of CACHES in which attempts and guests are counted."
    )
    fail_open: bool = _setting(
        False, "Whether guests are accepted while the cache that counts them does not answer."
    )
    trusted_proxy_count: int = _setting(
        0,
        "How many proxies of yours append to X-Forwarded-For; "
        "default: ALLAUTH_TRUSTED_PROXY_COUNT, else 0.",
    )
    trusted_client_ip_header: str | None = _setting(
        None,
        "Header in which your proxy puts the client's address (and overwrites it); "
        "default: ALLAUTH_TRUSTED_CLIENT_IP_HEADER.",
    )
    bot_user_agents: tuple[str, ...] = _setting(
        KNOWN_BOTS, "Regular expressions for clients that never become guests; () switches it off."
    )
    captcha: str | None = _setting(
        None,
        "`turnstile`, `hcaptcha`, `recaptcha` or the dotted path of a CaptchaVerifier; "
        "None: no captcha.",
    )
    captcha_secret: str = _setting("", "The secret key that the captcha provider gave you.")
    captcha_site_key: str = _setting("", "The public site key, shown to clients by `settings/`.")
    captcha_hostnames: tuple[str, ...] = _setting(
        (), "Hostnames on which the captcha may have been solved; () accepts any."
    )
    captcha_action: str | None = _setting(
        None, "The action that the captcha has to be solved for; None accepts any."
    )
    captcha_min_score: float | None = _setting(
        None, "Lowest acceptable score (0.0 to 1.0) of reCAPTCHA v3; None accepts any."
    )
    captcha_timeout: float = _setting(3.0, "Seconds that the provider has to answer in.")
    captcha_url: str | None = _setting(
        None, "Verification URL, where it is not the provider's usual one."
    )
    max_guests: int | None = _setting(
        None, "No more guests than about this many at a time; None: no cap."
    )
    capacity_interval: timedelta = _setting(
        timedelta(seconds=60), "How long the number of guests may be remembered before a recount."
    )
    idempotency_window: timedelta = _setting(
        timedelta(minutes=10), "How long an Idempotency-Key finds the guest that it made."
    )
    purge_after: timedelta = _setting(
        timedelta(days=30), "How long a guest who does not return is kept."
    )
    code_lifetime: timedelta = _setting(
        timedelta(minutes=15), "How long a code sent to an address can be typed."
    )
    code_attempts: int = _setting(3, "How often a code can be typed wrongly before it is void.")
    code_interval: timedelta = _setting(
        timedelta(seconds=60), "Least time between two codes sent to the same guest."
    )
    codes_per_address: int = _setting(
        5, "How many guests may wait for a code at the same address at a time."
    )
    code_rate_limits: tuple[str, ...] = _setting(
        ("20/h",), "Limits on codes sent, per client network: a fresh guest is free."
    )
    address_rate_limits: tuple[str, ...] = _setting(
        ("10/h",), "Limits on codes sent to one address, whoever asks and from wherever."
    )
    verify_rate_limits: tuple[str, ...] = _setting(
        ("30/5m",), "Limits on codes and provider tokens tried, per client network."
    )
    token_rate_limits: tuple[str, ...] = _setting(
        ("30/5m",), "Limits on passwords tried at `token/`, per client network."
    )
    redirect_uris: tuple[str, ...] = _setting(
        (),
        "Where a social upgrade started by a client with tokens may return to; compared exactly.",
    )
    ticket_lifetime: timedelta = _setting(
        timedelta(minutes=10), "How long a merge ticket or a social upgrade's ticket is good."
    )
    merge_on_login: str = _setting(
        "ask",
        "What becomes of a guest who logs in to an account that exists: `ask`, `always` or `never`.",
    )
    merge_offer_lifetime: timedelta = _setting(
        timedelta(hours=1), "How long after a login the guest can still be merged."
    )
    merge_rate_limits: tuple[str, ...] = _setting(
        ("30/5m",), "Limits on merges and their previews, per client network."
    )
    merge_record_retention: timedelta = _setting(
        timedelta(days=365), "How long the record of a merge is kept."
    )
    guests_allowed: tuple[str, ...] = _setting(
        (), "What guests are meant to reach: `[METHOD,…] PATTERN # REASON`, for the access audit."
    )
    last_seen_interval: timedelta = _setting(
        timedelta(hours=1), "`last_seen_at` is written at most once in this time."
    )
    row_security_outside_requests: str = _setting(
        "visitor",
        "Whom PostgreSQL takes statements outside of requests for: `visitor` or `service`.",
    )
    row_security_reads: bool | None = _setting(
        None,
        "Whether SELECTs tell PostgreSQL for whom they are; "
        "None: where a declared rule restricts SELECT.",
    )
    row_security_prefix: bool = _setting(
        True, "Whether claims travel in the message of their statement; False: in one of their own."
    )


#: Where allauth is told the same already, it need not be said twice.
FALLBACKS = {
    "ANONAUTH_TRUSTED_PROXY_COUNT": "ALLAUTH_TRUSTED_PROXY_COUNT",
    "ANONAUTH_TRUSTED_CLIENT_IP_HEADER": "ALLAUTH_TRUSTED_CLIENT_IP_HEADER",
}

NAMES = {PREFIX + f.name.upper(): f.name for f in fields(Settings)}


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings in force; lists become tuples, unknown names are left to the system check."""
    values: dict[str, Any] = {}
    for name, field_name in NAMES.items():
        source = name if hasattr(django_settings, name) else FALLBACKS.get(name, name)
        if hasattr(django_settings, source):
            value = getattr(django_settings, source)
            values[field_name] = tuple(value) if isinstance(value, list) else value
    return Settings(**values)


def unknown_names() -> list[str]:
    """Return the ``ANONAUTH_*`` names in the project's settings that mean nothing (typing errors)."""
    return sorted(n for n in dir(django_settings) if n.startswith(PREFIX) and n not in NAMES)


def _clear(*, setting: str, **_kwargs: Any) -> None:
    if setting.startswith(PREFIX) or setting in FALLBACKS.values():
        get_settings.cache_clear()


setting_changed.connect(_clear, dispatch_uid="anonauth.conf")
