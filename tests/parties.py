"""Both sides of a merge: clients of guests and of accounts, and what they own."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model

from anonauth.contrib.simplejwt.tokens import issue
from anonauth.tickets import make_merge_ticket
from tests.belongings.models import CartItem
from tests.client import Api

User = get_user_model()
CART = "belongings.CartItem.user"
PASSWORD = "correct horse battery staple"


def make_account(name: str = "ann", **fields: Any) -> Any:
    """Return a permanent user with a verified address and a password."""
    email = f"{name}@example.com"
    user = User.objects.create_user(name, email, PASSWORD, **fields)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def client_of(user: Any) -> Api:
    """Return a client with tokens of a user."""
    token, api = issue(user), Api()
    api.tokens = {"access": str(token.access_token), "refresh": str(token)}
    return api


def session_of(user: Any) -> Api:
    """Return a client with a session of a user, and with the CSRF token that goes with it."""
    api = Api()
    api.http.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    api.http.cookies["csrftoken"] = "c" * 32
    return api


def new_guest(**body: Any) -> tuple[Any, Api]:
    """Return a guest and his client."""
    api = Api()
    return User.objects.get(pk=api.sign_in(**body)["id"]), api


def put_into_cart(user: Any, **quantities: int) -> None:
    """Put products into a user's cart: ``p7=2`` is two of the product 7."""
    for name, quantity in quantities.items():
        CartItem.objects.create(user=user, product=int(name[1:]), quantity=quantity)


def cart_of(user: Any) -> dict[int, int]:
    """Return the quantities in a cart by product."""
    return dict(CartItem.objects.filter(user=user).values_list("product", "quantity"))


def ticket_for(guest: Any, account: Any, method: str = "email") -> str:
    """Return the ticket that the guest gets when he proves an identity of the account."""
    return make_merge_ticket(guest=guest, account=account, method=method)


def refused(answer: Any) -> tuple[int, str]:
    """Return the status and the code of a refusal."""
    return answer.status_code, answer.json()["code"]
