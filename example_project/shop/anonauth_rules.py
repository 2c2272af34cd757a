"""What becomes of a guest's things when he signs in to the account that he had all along."""

from __future__ import annotations

from anonauth.merge_rules import add_up, combine, keep_existing_row, merge_rule
from example_project.shop.models import MAX_QUANTITY

merge_rule(
    "shop.CartItem.user",
    combine,
    on_conflict=add_up("quantity", at_most=MAX_QUANTITY),
    choice=True,  # the cart here, the cart in the account, or both
    label="Cart",
)
merge_rule("shop.Product.wished_by", combine, on_conflict=keep_existing_row, label="Wish list")
merge_rule("shop.Review.user", combine, on_conflict=keep_existing_row, label="Reviews")
merge_rule("shop.Order.user", combine, label="Orders")
