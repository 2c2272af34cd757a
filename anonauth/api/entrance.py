"""The way in, for the API and for pages alike: guards in the order of their cost, then the flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from anonauth.adapter import get_adapter
from anonauth.api.throttles import check_rate_limits
from anonauth.capacity import check_capacity
from anonauth.captcha import get_captcha
from anonauth.conf import get_settings
from anonauth.exceptions import AnonymousDisabled
from anonauth.flows.sign_in import SignedIn, SignInFacts, find_by_key, sign_in
from anonauth.guards import check_person

GROUP = "anonauth.sign_in"


def admit(request: HttpRequest) -> str | None:
    """Stop who is not let in, before anything of the body is looked at: kill switch, robots, rate limits.

    The limits come before the captcha, so that a refusal does not burn the visitor's single-use token.

    Returns:
        The client's address, for :func:`enter`.

    Raises:
        AnonymousDisabled, AutomatedClient, RateLimited, RateLimitUnavailable
    """
    adapter = get_adapter()
    if not adapter.is_open_for_guests(request):
        raise AnonymousDisabled
    check_person(request)
    ip = adapter.client_ip(request)
    if limits := get_settings().rate_limits:
        check_rate_limits(group=GROUP, rates=limits, ip=ip)
    return ip


def enter(
    request: HttpRequest,
    *,
    ip: str | None,
    credentials: str,
    profile: Mapping[str, Any] | None = None,
    captcha_token: str | None = None,
    key: str | None = None,
) -> SignedIn:
    """Create the guest for a request that :func:`admit` let through, or find the one that its key made.

    Raises:
        CaptchaFailed, CaptchaUnavailable, CapacityReached, IdempotencyKeyUsed, InvalidInput, UsernamesExhausted
    """
    if key is not None and (found := find_by_key(key)) is not None:
        return SignedIn(found, created=False)
    conf = get_settings()
    captcha = get_captcha()
    if captcha is not None:
        # The provider is asked outside of any transaction of ours.
        captcha.verify(captcha_token or "", remote_ip=ip)
    check_capacity(max_guests=conf.max_guests, interval=conf.capacity_interval)
    return sign_in(
        facts=facts_of(request, ip=ip, credentials=credentials),
        profile=profile,
        key=key,
        key_window=conf.idempotency_window,
    )


def facts_of(request: HttpRequest, *, ip: str | None, credentials: str) -> SignInFacts:
    """Return what receivers of ``guest_created`` may know of the request."""
    return SignInFacts(
        ip_address=ip,
        user_agent=request.headers.get("User-Agent", ""),
        language=getattr(request, "LANGUAGE_CODE", ""),
        credentials=credentials,
    )
