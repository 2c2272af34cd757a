from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest


def shop(request: HttpRequest) -> dict[str, Any]:
    """Give every page the number on the cart, and what the footer needs. Costs a visitor no query."""
    user = getattr(request, "user", None)
    count = 0
    if user is not None and user.is_authenticated:
        count = user.cart_items.aggregate(count=Sum("quantity"))["count"] or 0
    return {"cart_count": count, "debug": settings.DEBUG}
