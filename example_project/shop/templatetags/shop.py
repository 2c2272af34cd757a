from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template

from anonauth.merging.report import MergeReport, RelationReport
from example_project.accounts.models import User
from example_project.shop import offer

register = template.Library()


@register.filter
def stars(rating: float) -> list[bool]:
    """Return five truth values, as many of them true as the rating has whole stars."""
    return [star <= rating + 0.25 for star in range(1, 6)]


@register.filter
def pieces(most: int) -> range:
    """Return the numbers of pieces that a customer can choose from."""
    return range(1, min(most, 10) + 1)


@register.simple_tag
def cart_choices(report: MergeReport) -> list[offer.CartChoice]:
    """Return the carts between which a guest, who has signed in, can choose."""
    return offer.cart_choices(report)


@register.filter
def settled(rows: Iterable[tuple[RelationReport, Any]]) -> list[RelationReport]:
    """Return the relations about which there is nothing to choose, e.g. because the account's cart is empty."""
    return [relation for relation, field in rows if field is None]


@register.simple_tag
def guest_of(report: MergeReport) -> User:
    """Return the guest whom the preview of a merge is about."""
    return offer.guest_of(report)
