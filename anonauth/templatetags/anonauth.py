"""``{% load anonauth %}``: ``{% if user|is_guest %}``, ``{% if user|is_permanent %}`` and ``{% upgrade_url %}``."""

from __future__ import annotations

from typing import Any

from django import template

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
