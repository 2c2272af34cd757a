"""``{% load anonauth %}``: ``user|is_guest``, ``user|is_permanent``, ``upgrade_url`` and ``merge_offer_url``."""

from __future__ import annotations

from typing import Any

from django import template

from anonauth import offers
from anonauth.api import refusals
from anonauth.models import is_guest, is_permanent

register = template.Library()

register.filter("is_guest", is_guest)
register.filter("is_permanent", is_permanent)


@register.simple_tag(takes_context=True)
def upgrade_url(context: template.Context, back: str | None = None) -> Any:
    """Return the page on which a guest upgrades, with the way back.

    Args:
        context: of the template; its ``request`` is the way back, if the context processor for it is installed.
        back: a path of this site instead; "" for none.
    """
    request = context.get("request")
    if back is None:
        back = request.get_full_path() if request is not None else ""
    return refusals.upgrade_url(back)


@register.simple_tag(takes_context=True)
def merge_offer_url(context: template.Context) -> str:
    """Return the page that asks a person who has logged in whether what he made as a guest shall come along.

    Empty where there is nothing to ask: it has been answered, or is too long ago.

    Args:
        context: of the template; its ``request`` is whose session it is, and the way back.
    """
    request = context.get("request")
    session, user = getattr(request, "session", None), getattr(request, "user", None)
    if request is None or not is_permanent(user):
        return ""
    if offers.waiting_guest(session, account=user) is None:
        return ""
    return offers.page(request.get_full_path()) or ""
