from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def stars(rating: float) -> list[bool]:
    """Return five truth values, as many of them true as the rating has whole stars."""
    return [star <= rating + 0.25 for star in range(1, 6)]


@register.filter
def pieces(most: int) -> range:
    """Return the numbers of pieces that a customer can choose from."""
    return range(1, min(most, 10) + 1)
