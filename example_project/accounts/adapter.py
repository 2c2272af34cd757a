"""anonauth's hooks, as the shop wants them."""

from __future__ import annotations

from collections.abc import Sequence

from anonauth.adapter import Adapter, GuestQuota

GUEST_CART = 10
"""So many different things fit into the cart of a guest; a guest costs nothing, and rows do."""


class ShopAdapter(Adapter):
    """anonauth's adapter, with a limit for guests' carts."""

    def quotas(self) -> Sequence[GuestQuota]:
        return (GuestQuota("shop.CartItem", GUEST_CART),)
