from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest

from anonauth.contrib.allauth.masking import guest_behind


def shop(request: HttpRequest) -> dict[str, Any]:
    """Give every page its shopper, the number on the cart, and what the footer needs. Costs a visitor no query."""
    shopper = _shopper(request)
    count = 0
    if shopper is not None:
        count = shopper.cart_items.aggregate(count=Sum("quantity"))["count"] or 0
    return {"shopper": shopper, "cart_count": count, "debug": settings.DEBUG}


def _shopper(request: HttpRequest) -> Any | None:
    """Return the guest or customer whose browser this is, or None.

    On the sign-up and login pages ``request.user`` is nobody, because allauth turns away who is signed in; a guest
    sees his cart there as everywhere.
    """
    user = getattr(request, "user", None)
    if user is None:
        return None
    return user if user.is_authenticated else guest_behind(request)
