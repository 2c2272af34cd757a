"""What everybody may look at: looking never makes a guest."""

from __future__ import annotations

from django.db.models import Avg, Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from example_project.shop.forms import AddToCartForm
from example_project.shop.models import Product


def product_list(request: HttpRequest) -> HttpResponse:
    """Show the shelf."""
    context = {"products": _rated(Product.objects.all()), "wished": wished(request)}
    return render(request, "shop/products.html", context)


def product(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one product and what customers say about it."""
    found = get_object_or_404(_rated(Product.objects.all()), slug=slug)
    context = {
        "product": found,
        "form": AddToCartForm(initial={"product": found.pk}),
        "reviews": found.reviews.select_related("user"),
        "is_wished": found.pk in wished(request),
    }
    return render(request, "shop/product.html", context)


def wished(request: HttpRequest) -> set[int]:
    """Return the keys of the products on the wish list of whoever asks."""
    if not request.user.is_authenticated:
        return set()
    return set(request.user.wish_list.values_list("pk", flat=True))


def _rated(products: QuerySet[Product]) -> QuerySet[Product]:
    # A query that aggregates loses the model's ordering.
    return products.annotate(rating=Avg("reviews__rating"), review_count=Count("reviews")).order_by(
        "pk"
    )
