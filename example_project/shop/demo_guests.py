"""Guests of the demo: some who are shopping, and some who have not returned, for ``purge_anonymous`` to find."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from example_project.accounts.models import User
from example_project.shop.models import CartItem, Order, Product

PREFIX = "demo-guest-seen-"

# days since the last visit, things in the cart, things on the wish list
GUESTS = [
    (0, 1, 2), (1, 2, 0), (3, 0, 1), (12, 1, 1), (26, 3, 2), (29, 1, 0),
    (33, 2, 1), (35, 1, 0), (41, 0, 2), (47, 3, 1), (58, 1, 1), (64, 2, 0), (90, 1, 3), (120, 4, 0),
]  # fmt: skip
ORDERED_BEFORE_ACCOUNTS = 64
"""The days since the last visit of a guest who bought something when the shop still let guests: his order is kept."""


def load(products: Sequence[Product]) -> None:
    """Create the guests who are missing."""
    now = timezone.now()
    for days, in_cart, wished in GUESTS:
        seen = now - timedelta(days=days, hours=5)
        name = f"{PREFIX}{days}"
        if User.objects.filter(username=name).exists():
            continue
        user = User(username=name, is_guest=True, guest_since=seen, last_seen_at=seen)
        user.date_joined = seen
        user.set_unusable_password()
        user.save()
        CartItem.objects.bulk_create(
            CartItem(user=user, product=product, quantity=1) for product in products[:in_cart]
        )
        user.wish_list.add(*products[in_cart : in_cart + wished])
        if days == ORDERED_BEFORE_ACCOUNTS:
            Order.objects.create(user=user, total=products[0].price)
