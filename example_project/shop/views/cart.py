"""Cart and wish list. A visitor who puts something in becomes a guest in that POST, and never before."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from anonauth.exceptions import QuotaExceeded
from anonauth.shortcuts import sign_in
from example_project.accounts.models import User
from example_project.shop import cart
from example_project.shop.exceptions import ShopError
from example_project.shop.forms import AddToCartForm, QuantityForm, WishForm
from example_project.shop.models import CartItem, Product


def show(request: HttpRequest) -> HttpResponse:
    """Show the cart; a visitor's is empty and costs no query."""
    items: list[CartItem] = []
    if request.user.is_authenticated:
        items = list(request.user.cart_items.select_related("product"))
    total = sum(item.total for item in items)
    return render(request, "shop/cart.html", {"items": items, "total": total})


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Put something into the cart."""
    form = AddToCartForm(request.POST)
    # The form first: a request that makes no sense makes no guest either.
    if form.is_valid():
        product = form.cleaned_data["product"]
        try:
            cart.add(
                user=_customer(request, form),
                product=product,
                quantity=form.cleaned_data["quantity"],
            )
        except ShopError as error:
            messages.error(request, str(error))
        except QuotaExceeded as error:
            messages.error(request, f"A guest's cart holds {error.limit} things. Sign up for more.")
        else:
            messages.success(request, f"{product.name} is in your cart.", extra_tags="cart")
    else:
        messages.error(request, "That could not be added to your cart.")
    return _back(request, "shop:cart")


@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Change how many pieces of something are in the cart; none takes it out."""
    item = get_object_or_404(
        CartItem.objects.select_related("product"), pk=pk, user=request.user.pk
    )
    form = QuantityForm(request.POST)
    if form.is_valid():
        try:
            cart.change(item, quantity=form.cleaned_data["quantity"])
        except ShopError as error:
            messages.error(request, str(error))
    else:
        messages.error(request, "Please enter a number of pieces.")
    return redirect("shop:cart")


def wish_list(request: HttpRequest) -> HttpResponse:
    """Show the wish list; a visitor's is empty."""
    products = Product.objects.none()
    if request.user.is_authenticated:
        products = request.user.wish_list.all()
    return render(request, "shop/wish_list.html", {"products": products})


@require_POST
def wish(request: HttpRequest) -> HttpResponse:
    """Put something on the wish list."""
    form = WishForm(request.POST)
    if form.is_valid():
        product = form.cleaned_data["product"]
        _customer(request, form).wish_list.add(product)
        messages.success(request, f"{product.name} is on your wish list.", extra_tags="wish")
    else:
        messages.error(request, "That could not be added to your wish list.")
    return _back(request, "shop:wish-list")


@require_POST
def unwish(request: HttpRequest, pk: int) -> HttpResponse:
    """Take something off the wish list."""
    product = get_object_or_404(Product, pk=pk)
    if request.user.is_authenticated:
        request.user.wish_list.remove(product)
    return _back(request, "shop:wish-list")


def _customer(request: HttpRequest, form: forms.Form) -> User:
    """Return who is signed in; a visitor becomes a guest here."""
    key = form.cleaned_data["idempotency_key"]
    user: User = sign_in(request, idempotency_key=str(key) if key else None)
    return user


def _back(request: HttpRequest, fallback: str) -> HttpResponse:
    """Return to the page with the form; only to one of ours, or the field would be an open redirect."""
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return HttpResponseRedirect(target)  # redirect() would take "foo" for the name of a view
    return redirect(resolve_url(fallback))
