"""Ordering and reviewing: for permanent users. A guest is sent to the page that says how to become one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from anonauth.decorators import permanent_required
from example_project.shop import orders, reviews
from example_project.shop.exceptions import ShopError
from example_project.shop.forms import ReviewForm
from example_project.shop.models import Order, Product
from example_project.shop.requests import SignedInRequest


@permanent_required
def checkout(request: SignedInRequest) -> HttpResponse:
    """Show what is about to be ordered; a POST orders it."""
    if request.method == "POST":
        try:
            order = orders.place(user=request.user)
        except ShopError as error:
            messages.error(request, str(error))
            return redirect("shop:cart")
        messages.success(request, "Thank you! Your order is on its way.")
        return redirect(order)
    items = list(request.user.cart_items.select_related("product"))
    if not items:
        return redirect("shop:cart")
    total = sum(item.total for item in items)
    return render(request, "shop/checkout.html", {"items": items, "total": total})


@permanent_required
def order_list(request: SignedInRequest) -> HttpResponse:
    """Show the customer's orders, newest first."""
    found = request.user.orders.prefetch_related("lines__product")
    return render(request, "shop/orders.html", {"orders": found})


@permanent_required
def order(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show one order, to the customer who placed it."""
    found = Order.objects.filter(user=request.user).prefetch_related("lines__product")
    return render(request, "shop/order.html", {"order": get_object_or_404(found, pk=pk)})


@permanent_required
def review(request: SignedInRequest, slug: str) -> HttpResponse:
    """Write a review of a product."""
    product = get_object_or_404(Product, slug=slug)
    form = ReviewForm(request.POST or None)
    if form.is_valid():
        try:
            reviews.write(user=request.user, product=product, **form.cleaned_data)
        except ShopError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "Thank you for your review.")
        return redirect(f"{product.get_absolute_url()}#reviews")
    return render(request, "shop/review.html", {"product": product, "form": form})
