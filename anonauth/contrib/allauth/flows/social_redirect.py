"""A social upgrade through a browser, for a client that has only a token: start, go, the provider, back, finish.

The browser proves who the person is at the provider, and nothing else. It is never signed in as the guest, and a
session that it has is neither used nor ended. Only the app that began can finish: it needs the code that comes back to
an allow-listed address, the verifier that it kept (PKCE, RFC 7636), and the same guest's credentials.

SECURITY: were the ticket to sign the browser in, or the callback to join the account, a ticket sent to a victim would
give the victim's account at the provider to the guest of the attacker.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from allauth.socialaccount.internal import statekit
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext

from anonauth.conf import get_settings
from anonauth.contrib.allauth.flows.kept_login import keep, restore
from anonauth.contrib.allauth.flows.social import get_provider
from anonauth.contrib.allauth.lookup import STATE_KEY
from anonauth.contrib.allauth.models import SocialTicket
from anonauth.contrib.allauth.pages import refused
from anonauth.exceptions import InvalidInput, MethodUnavailable, TicketInvalid, UserNotFound

#: The app is waiting for the code; RFC 6749 asks for a short life.
CODE_LIFETIME = timedelta(minutes=2)

Step = SocialTicket.Step


def start(
    request: HttpRequest,
    user: Any,
    *,
    provider_id: str,
    redirect_uri: str,
    code_challenge: str,
    lifetime: timedelta,
) -> str:
    """Return a one-time ticket for the browser of a guest; one that he had before is void.

    Args:
        request: Django's request.
        user: the guest.
        provider_id: allauth's name of the provider.
        redirect_uri: where the browser returns to; one of ANONAUTH_REDIRECT_URIS, to the letter.
        code_challenge: the base64url SHA-256 of the verifier that the client keeps.
        lifetime: within this time the person has to come back from the provider.

    Raises:
        MethodUnavailable: the provider is not set up or has no redirect, or no address to return to is allowed.
        InvalidInput: the address to return to is not allowed.
        UserNotFound
    """
    allowed = get_settings().redirect_uris
    if not allowed or not get_provider(request, provider_id).supports_redirect:
        raise MethodUnavailable
    # SECURITY: open redirect, and with it the code. No parsing, so that there is nothing to parse differently.
    if redirect_uri not in allowed:
        fault = {"code": "not_allowed", "message": gettext("This address is not allowed.")}
        raise InvalidInput({"redirect_uri": [fault]})
    SocialTicket.objects.sweep()
    ticket = secrets.token_urlsafe(32)
    values = {
        "step": Step.STARTED,
        "secret_hash": _hash(ticket),
        "provider": provider_id,
        "redirect_uri": redirect_uri,
        "code_challenge": code_challenge,
        "identity": {},
        "expires_at": timezone.now() + lifetime,
    }
    try:
        SocialTicket.objects.update_or_create(user=user, defaults=values)
    except IntegrityError as error:  # erased or merged in this very moment
        raise UserNotFound from error
    return ticket


def go(request: HttpRequest, *, provider_id: str, ticket: str) -> HttpResponse:
    """Use up a ticket and send the browser to the provider, or back to the app if that cannot be.

    Raises:
        TicketInvalid: there is no such ticket any more, so it is unknown where "back" is.
    """
    secret = secrets.token_urlsafe(32)
    row = _advance(ticket, Step.STARTED, step=Step.AT_PROVIDER, secret_hash=_hash(secret))
    if row is None or row.provider != provider_id:
        raise TicketInvalid
    if reason := _refusal(row.user):
        return _give_up(request, row, reason)
    try:
        provider = get_provider(request, provider_id)
        answer: HttpResponse = provider.redirect(
            request, AuthProcess.REDIRECT, next_url=row.redirect_uri, **{STATE_KEY: secret}
        )
    except (MethodUnavailable, OAuth2Error, OSError, LookupError, ValueError):
        # requests' errors are OSErrors; the others are answers of the provider that make no sense.
        return _give_up(request, row, "provider_unavailable")
    return answer


def finish_browser_leg(request: HttpRequest, sociallogin: SocialLogin) -> HttpResponse:
    """Keep what the provider says, and send the browser back to the app with a one-time code for it.

    For a ``sociallogin`` that has :data:`STATE_KEY` in its state.
    """
    state = sociallogin.state
    secret = str(state[STATE_KEY])
    ticket = _at_provider(secret)
    if ticket is None:
        return _leave(request, str(state.get("next")), error=TicketInvalid.code)
    if reason := _refusal(ticket.user):
        return _give_up(request, ticket, reason)
    code = secrets.token_urlsafe(32)
    changes = {
        "step": Step.PROVED,
        "secret_hash": _hash(code),
        "identity": keep(sociallogin),
        "expires_at": timezone.now() + CODE_LIFETIME,
    }
    if _advance(secret, Step.AT_PROVIDER, **changes) is None:
        return _leave(request, ticket.redirect_uri, error=TicketInvalid.code)
    return _leave(request, ticket.redirect_uri, code=code)


def fail_browser_leg(
    request: HttpRequest, error: str | None, context: dict[str, Any] | None
) -> HttpResponse | None:
    """Send the browser back to the app after a cancellation or an error at the provider.

    Args:
        request: Django's request.
        error: allauth's ``AuthError``.
        context: the ``extra_context`` of allauth's ``on_authentication_error()``; it has the state of this attempt, or
            its key.

    Returns:
        The answer, or None if this attempt is no client's of ours.
    """
    context = context or {}
    state = context.get("state")
    if state is None:
        # Without using it up: allauth itself reads it next if it is not ours.
        state, *_ = statekit.get_states(request).get(context.get("state_id"), (None,))
    if not isinstance(state, dict) or STATE_KEY not in state:
        return None
    ticket = _at_provider(str(state[STATE_KEY]))
    if ticket is None:
        return _leave(request, str(state.get("next")), error=TicketInvalid.code)
    reason = "cancelled" if error == AuthError.CANCELLED else "provider_error"
    return _give_up(request, ticket, reason)


def redeem(request: HttpRequest, user: Any, *, provider_id: str, code: str, verifier: str) -> Any:
    """Return what the provider said, for the guest who began and knows the verifier; once.

    Raises:
        TicketInvalid: the code is unknown, expired, used, another guest's, or the verifier is wrong, which uses it up.
        MethodUnavailable: the provider is no longer set up.
    """
    rows = SocialTicket.objects.live().filter(
        step=Step.PROVED, secret_hash=_hash(code), user_id=user.pk, provider=provider_id
    )
    ticket = rows.first()
    # Of parallel requests one deletes the row.
    if ticket is None or not rows.filter(pk=ticket.pk).delete()[0]:
        raise TicketInvalid
    if not constant_time_compare(ticket.code_challenge, challenge_of(verifier)):
        raise TicketInvalid
    return restore(request, provider_id, ticket.identity)


def challenge_of(verifier: str) -> str:
    """Return the S256 code challenge of a verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _advance(secret: str, at: str, **changes: Any) -> SocialTicket | None:
    """Move a ticket on with one conditional UPDATE, so that of parallel requests one has it; None for the others."""
    rows = SocialTicket.objects.live().filter(step=at, secret_hash=_hash(secret))
    ticket = rows.select_related("user").first()
    if ticket is None or not rows.filter(pk=ticket.pk).update(**changes):
        return None
    for name, value in changes.items():
        setattr(ticket, name, value)
    return ticket


def _at_provider(secret: str) -> SocialTicket | None:
    rows = SocialTicket.objects.live().filter(step=Step.AT_PROVIDER, secret_hash=_hash(secret))
    return rows.select_related("user").first()


def _refusal(user: Any) -> str | None:
    if not user.is_active:
        return "user_inactive"
    return None if user.is_guest else "not_anonymous"


class _AppRedirect(HttpResponseRedirect):
    """Leads to an address that the project has listed, so its scheme may be an app's."""

    def __init__(self, uri: str) -> None:
        self.allowed_schemes = [urlsplit(uri).scheme]
        super().__init__(uri)
        patch_cache_control(self, private=True, no_store=True)


def _leave(request: HttpRequest, uri: str, **parameters: str) -> HttpResponse:
    if uri not in get_settings().redirect_uris:  # taken off the list since
        return refused(request, TicketInvalid())
    return _AppRedirect(f"{uri}{'&' if '?' in uri else '?'}{urlencode(parameters)}")


def _give_up(request: HttpRequest, ticket: SocialTicket, reason: str) -> HttpResponse:
    SocialTicket.objects.filter(pk=ticket.pk).delete()
    return _leave(request, ticket.redirect_uri, error=reason)
