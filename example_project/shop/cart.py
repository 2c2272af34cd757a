"""The cart: add pieces, change their number."""

from __future__ import annotations

from django.db import transaction

from anonauth.quotas import check_quota
from example_project.accounts.models import User
from example_project.shop.exceptions import NotEnoughStock, TooMany
from example_project.shop.models import MAX_QUANTITY, CartItem, Product


def add(*, user: User, product: Product, quantity: int) -> CartItem:
    """Put pieces into the cart, on top of those that are there; two clicks at once lose none.

    Raises NotEnoughStock, TooMany, or QuotaExceeded of anonauth for a guest, and leaves the cart as it was.
    """
    with transaction.atomic():
        _check(product, quantity)
        # The row is locked until the sum is stored; a parallel first addition waits at the unique pair.
        item, created = CartItem.objects.select_for_update().get_or_create(
            user=user, product=product, defaults={"quantity": quantity}
        )
        if created:
            check_quota(user, CartItem, adding=0)  # the row counts already
        else:
            _check(product, item.quantity + quantity)
            item.quantity += quantity
            item.save(update_fields=["quantity"])
    return item


def change(item: CartItem, *, quantity: int) -> None:
    """Set the number of pieces; none takes the item out of the cart."""
    if quantity == 0:
        item.delete()
        return
    _check(item.product, quantity)
    item.quantity = quantity
    # No save(): an item that was ordered meanwhile does not come back.
    CartItem.objects.filter(pk=item.pk).update(quantity=quantity)


def _check(product: Product, quantity: int) -> None:
    if quantity < 1:
        raise ValueError("A cart holds one piece or more.")
    if quantity > product.most:
        _refuse(product)


def _refuse(product: Product) -> None:
    if product.stock == 0:
        raise NotEnoughStock(f"{product.name} is sold out.")
    if product.stock < MAX_QUANTITY:
        raise NotEnoughStock(f"We have only {product.stock} of {product.name} left.")
    raise TooMany(f"You can have {MAX_QUANTITY} of {product.name} at most.")
