"""A guest logs in to an account that exists, through any of allauth's doors: what becomes of him.

Nothing is merged before all stages of the login are done, and where a link could have brought about the login nothing
is merged without a page that shows the account.

SECURITY: login CSRF. Were every login to merge, a link that logs a victim in to the account of the attacker would hand
over what the victim has made as a guest.
"""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import get_adapter as get_account_adapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirectBase

from anonauth.adapter import get_adapter
from anonauth.conf import get_settings
from anonauth.contrib.allauth.claims import records
from anonauth.contrib.allauth.masking import guest_behind, view_name
from anonauth.exceptions import AnonauthError
from anonauth.flows.merge import merge, preview_merge
from anonauth.guards import SAFE_METHODS
from anonauth.models import is_guest
from anonauth.offers import forget, page, remember, waiting_guest
from anonauth.refusals import refuse

logger = logging.getLogger("anonauth")

METHOD = "login"
RESET = "password_reset"  # in allauth's records


def leaving_guest(request: HttpRequest) -> Any | None:
    """Return the guest whose session the login at hand is about to end; None where nothing is to become of him."""
    # SECURITY: staff who acts as the guest must not take him along to an account; after the login nothing tells of it.
    if get_settings().merge_on_login == "never" or get_adapter().is_impersonated(request):
        return None
    return request.user if is_guest(request.user) else guest_behind(request)


def may_merge_at_once(request: HttpRequest) -> bool:
    """Tell whether the project merges without asking, and nobody but the person can have caused the login at hand.

    Not so on GET and on the POST that a provider's page makes the browser send, and never in a password reset.
    """
    if get_settings().merge_on_login != "always" or request.method in SAFE_METHODS:
        return False
    if any(record.get("method") == RESET for record in records(request)):
        return False
    # Views of the headless API for apps need no CSRF token because they know no cookies.
    match = request.resolver_match
    exempt = match is None or getattr(match.func, "csrf_exempt", False)
    return not exempt or view_name(request).startswith("headless:")


def offer(request: HttpRequest, *, guest: Any, account: Any, at_once: bool) -> None:
    """Merge a guest into the account to which he has just logged in, or remember him in its session.

    Must not fail: the session of the guest is gone already, and after an error the new one would not be stored.
    """
    if guest.pk == account.pk or is_guest(account):
        return
    remember(request.session, guest=guest, account=account)
    if not at_once:
        return
    try:
        report = merge(guest=guest, into=account, method=METHOD)
        tell(request, "merged", report=report)
    except AnonauthError as error:
        refuse(error.code, request)
    except Exception:  # of a rule of the project; see above
        logger.exception("A guest could not be merged after a login; he will be asked.")


def ask(request: HttpRequest, account: Any, answer: HttpResponse) -> HttpResponse:
    """Send the browser to the page that asks, before it goes where the login would have sent it.

    Clients of the headless API read in ``GET user/`` that somebody waits.
    """
    guest = waiting_guest(request.session, account=account)
    if guest is None:
        return answer
    try:
        has_something = not preview_merge(guest=guest, into=account).is_empty
    except Exception:  # of a rule of the project; the login itself went well
        logger.exception(
            "It could not be found out what a guest has to be merged; he will be asked later."
        )
        return answer
    if not has_something:
        forget(request.session)
    elif isinstance(answer, HttpResponseRedirectBase) and (asks := page(answer.url)):
        # In place: what others have done to the answer, e.g. a cookie, stays.
        answer["Location"] = asks
    return answer


def tell(request: HttpRequest, what: str, **context: Any) -> None:
    """Have the next page say what has become of the guest's things.

    Args:
        request: the one at hand.
        what: ``merged``, ``left_behind`` or ``went_back``; a project words it in ``anonauth/messages/<what>.txt``.
        context: for that template.
    """
    template = f"anonauth/messages/{what}.txt"
    get_account_adapter(request).add_message(request, messages.SUCCESS, template, context)
