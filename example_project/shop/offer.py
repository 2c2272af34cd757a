"""What a guest, who has signed in to the account that he had all along, decides about: three carts to choose from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from anonauth.merge_rules import Strategy
from anonauth.merging.report import MergeReport
from example_project.accounts.models import User
from example_project.shop.models import MAX_QUANTITY, CartItem


@dataclass(frozen=True)
class CartChoice:
    """A cart that the customer can have after the merge; its items are not stored."""

    strategy: Strategy
    items: list[CartItem]

    @property
    def pieces(self) -> int:
        return sum(item.quantity for item in self.items)

    @property
    def total(self) -> Decimal:
        return sum((item.total for item in self.items), Decimal())


def cart_choices(report: MergeReport) -> list[CartChoice]:
    """Return the carts that ``anonauth_rules.py`` offers, as each would become."""
    here, there = _cart(report.guest_id), _cart(report.account_id)
    return [
        CartChoice(Strategy.COMBINE, _both(here, there)),
        CartChoice(Strategy.KEEP_ANONYMOUS, here),
        CartChoice(Strategy.KEEP_EXISTING, there),
    ]


def guest_of(report: MergeReport) -> User:
    """Return the guest whom a preview is about."""
    return User.objects.get(pk=report.guest_id)


def _cart(user_id: str) -> list[CartItem]:
    return list(CartItem.objects.filter(user_id=user_id).select_related("product"))


def _both(here: Iterable[CartItem], there: Iterable[CartItem]) -> list[CartItem]:
    found: dict[int, CartItem] = {}
    for item in [*there, *here]:
        before = found[item.product_id].quantity if item.product_id in found else 0
        quantity = min(before + item.quantity, MAX_QUANTITY)
        found[item.product_id] = CartItem(product=item.product, quantity=quantity)
    return list(found.values())
