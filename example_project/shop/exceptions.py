"""What the shop refuses; ``code`` is the stable name that API clients read."""

from __future__ import annotations

from typing import ClassVar


class ShopError(Exception):
    """Base of every refusal; the message is for the customer."""

    code: ClassVar[str] = "shop_error"
    message: ClassVar[str] = "That did not work."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)


class NotEnoughStock(ShopError):
    """The shelf has fewer pieces than that."""

    code = "not_enough_stock"
    message = "We do not have that many left."


class TooMany(ShopError):
    """More pieces of one product than anybody may have."""

    code = "too_many"
    message = "That is more than one customer can have of this."


class CartEmpty(ShopError):
    """There is nothing to order."""

    code = "cart_empty"
    message = "Your cart is empty."


class AlreadyReviewed(ShopError):
    """One review for each customer and product."""

    code = "already_reviewed"
    message = "You have reviewed this already."
