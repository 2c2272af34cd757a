"""A guest on his way to an account: where he wanted to go, kept in his session, which survives the upgrade."""

from __future__ import annotations

from django.http import HttpRequest

WAY_BACK = "way_back"


def set_out(request: HttpRequest, *, target: str) -> None:
    """Remember where a guest wants to go once he has an account; "" is nowhere in particular."""
    request.session[WAY_BACK] = target


def is_on_the_way(request: HttpRequest) -> bool:
    """Tell whether this browser's user was a guest when he asked for an account."""
    return WAY_BACK in request.session


def arrive(request: HttpRequest) -> str | None:
    """Return where he wanted to go, once; None if he never set out, or as another user than he is now."""
    target: str | None = request.session.pop(WAY_BACK, None)
    return target
