"""Place an order: the cart becomes an order, once."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from example_project.accounts.models import User
from example_project.shop.exceptions import CartEmpty, NotEnoughStock
from example_project.shop.models import CartItem, Order, OrderLine, Product


def place(*, user: User) -> Order:
    """Turn the user's cart into an order, with the names and the prices of this moment.

    Raises CartEmpty or NotEnoughStock, and then nothing has changed. Whether the user may order is the caller's
    question (permanent_required, IsPermanentUser).
    """
    with transaction.atomic():
        # Two clicks at once: the second one waits here and then finds an empty cart.
        items = list(CartItem.objects.select_for_update().filter(user=user).order_by("product_id"))
        if not items:
            raise CartEmpty
        products = _take_from_stock(items)
        order = Order.objects.create(
            user=user, total=sum(item.quantity * products[item.product_id].price for item in items)
        )
        OrderLine.objects.bulk_create(
            OrderLine(
                order=order,
                product=products[item.product_id],
                name=products[item.product_id].name,
                price=products[item.product_id].price,
                quantity=item.quantity,
            )
            for item in items
        )
        CartItem.objects.filter(pk__in=[item.pk for item in items]).delete()
    return order


def _take_from_stock(items: list[CartItem]) -> dict[int, Product]:
    """Lock the products in key order, so that two customers never wait for each other, and take the pieces."""
    wanted = {item.product_id: item.quantity for item in items}
    products = Product.objects.select_for_update().filter(pk__in=wanted).order_by("pk")
    found = {product.pk: product for product in products}
    for product in found.values():
        if product.stock < wanted[product.pk]:
            raise NotEnoughStock(f"We have only {product.stock} of {product.name} left.")
        Product.objects.filter(pk=product.pk).update(stock=F("stock") - wanted[product.pk])
    return found
