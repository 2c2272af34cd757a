"""The page "Try it": raw SQL past every check of the application, and what the database says to it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from anonauth.exceptions import DatabaseRefused
from anonauth.shortcuts import sign_in
from example_project.accounts.models import User
from example_project.shop.models import Product

FORBIDDEN = """INSERT INTO shop_review (user_id, product_id, rating, text, written_at)
VALUES (%s, %s, 1, 'Written past all checks of the shop.', now())"""


@dataclass(frozen=True)
class Outcome:
    """What became of the statement; nothing of it is kept in any case."""

    refused: bool
    message: str


def try_it(request: HttpRequest) -> HttpResponse:
    """Show the statement; a POST sends it as whoever asks, a visitor as the guest that this makes of him."""
    protected = connection.vendor == "postgresql"
    outcome = None
    if request.method == "POST" and protected:
        sign_in_if_nobody(request)
        product = Product.objects.exclude(reviews__user=request.user.pk).first()
        if product is not None and request.user.is_authenticated:
            outcome = send(request.user, product)
    context = {"protected": protected, "statement": FORBIDDEN, "outcome": outcome}
    return render(
        request, "shop/try.html", context, status=403 if outcome and outcome.refused else 200
    )


def sign_in_if_nobody(request: HttpRequest) -> None:
    """Make a visitor a guest, as the first thing in the cart does."""
    if not request.user.is_authenticated:
        sign_in(request)


def send(user: User, product: Product) -> Outcome:
    """Send the statement and take it back, so that the page can be used again and again."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(FORBIDDEN, [user.pk, product.pk])
            transaction.set_rollback(True)
    except DatabaseRefused as error:
        return Outcome(refused=True, message=str(error).splitlines()[0])
    return Outcome(refused=False, message="INSERT 0 1, then ROLLBACK")
