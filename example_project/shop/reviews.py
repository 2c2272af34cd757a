"""Reviews: one for each customer and product."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from example_project.accounts.models import User
from example_project.shop.exceptions import AlreadyReviewed
from example_project.shop.models import Product, Review


def write(*, user: User, product: Product, rating: int, text: str) -> Review:
    """Store a review. Raises AlreadyReviewed for the second one of a customer."""
    try:
        with transaction.atomic():
            return Review.objects.create(user=user, product=product, rating=rating, text=text)
    except IntegrityError as error:
        if Review.objects.filter(user=user, product=product).exists():
            raise AlreadyReviewed from error
        raise
