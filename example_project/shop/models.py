"""What the shop sells, and what belongs to a user: cart, wish list, orders, reviews.

The relations to the user are of every kind on purpose: a unique pair (cart, reviews), many-to-many (wish list) and
PROTECT (orders). They are what an upgrade keeps, a merge moves and a purge deletes or spares.

Orders and reviews are for permanent users: the views say so, and on PostgreSQL the database does as well.
"""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse

from anonauth.contrib.postgres.constraints import RestrictAnonymous

MAX_QUANTITY = 20
"""Nobody may have more pieces of one product in the cart."""


class Product(models.Model):
    """A thing on the shelf."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)
    summary = models.CharField(max_length=120)
    description = models.TextField()
    picture = models.CharField(max_length=80, help_text="Path of a static file.")
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.PositiveIntegerField(default=0)
    wished_by = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="wish_list", blank=True
    )

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:product", args=[self.slug])

    @property
    def most(self) -> int:
        """How many pieces one customer can buy now."""
        return min(self.stock, MAX_QUANTITY)


class CartItem(models.Model):
    """How many pieces of one product are in the cart of one user."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="cart_items"
    )
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+")
    quantity = models.PositiveSmallIntegerField()
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("user", "product"), name="shop_cart_item_unique"),
            models.CheckConstraint(
                condition=models.Q(quantity__range=(1, MAX_QUANTITY)),
                name="shop_cart_item_quantity",
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"

    @property
    def total(self) -> Decimal:
        return self.quantity * self.product.price


class Order(models.Model):
    """What a customer bought. An order outlives the wish to delete its user: PROTECT."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders"
    )
    placed_at = models.DateTimeField(auto_now_add=True)
    total = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        ordering = ("-placed_at", "-pk")
        constraints = (RestrictAnonymous(name="shop_order_permanent"),)

    def __str__(self) -> str:
        return f"Order {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("shop:order", args=[self.pk])


class OrderLine(models.Model):
    """One product of an order, with the name and the price of that moment."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=80)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    quantity = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("order", "product"), name="shop_order_line_unique"),
            RestrictAnonymous(name="shop_order_line_permanent"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"

    @property
    def total(self) -> Decimal:
        return self.quantity * self.price


class Review(models.Model):
    """What a customer thinks of a product; one each."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reviews"
    )
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="reviews")
    rating = models.PositiveSmallIntegerField(
        validators=(MinValueValidator(1), MaxValueValidator(5))
    )
    text = models.TextField(max_length=1000)
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-written_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("user", "product"), name="shop_review_unique"),
            models.CheckConstraint(
                condition=models.Q(rating__range=(1, 5)), name="shop_review_rating"
            ),
            RestrictAnonymous(name="shop_review_permanent"),
        )

    def __str__(self) -> str:
        return f"{self.rating} of 5 for {self.product}"
