"""Who am I here, how long are my things kept, and how do I keep or erase them."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from anonauth.adapter import get_adapter
from anonauth.decorators import guest_required, guests_allowed
from anonauth.flows.purge import purge_guest
from example_project.accounts import upgrades
from example_project.shop.requests import SignedInRequest


@guests_allowed(reason="who am I, and until when are my things kept")
@login_required
def account(request: SignedInRequest) -> HttpResponse:
    """Show the account, or the guest."""
    context = {
        "identities": get_adapter().identities(request.user),
        "wish_count": request.user.wish_list.count(),
        "order_count": request.user.orders.count(),
        "review_count": request.user.reviews.count(),
    }
    return render(request, "shop/account.html", context)


def keep(request: HttpRequest) -> HttpResponse:
    """Show a guest the ways to an account, and welcome him when he comes back with one.

    ANONAUTH_UPGRADE_URL names this page; all ways return to it.
    """
    target = _ours(request, request.GET.get("next", ""))
    user = request.user
    if not user.is_authenticated:
        return render(request, "shop/keep.html", {"next": target})
    if not user.is_guest:
        way_back = upgrades.arrive(request)
        if way_back is not None:
            _welcome(request)
        # Not redirect(), which would take "foo" for the name of a view.
        return HttpResponseRedirect(way_back or target or resolve_url("shop:account"))
    upgrades.set_out(request, target=target)
    context = {"next": target, "wish_count": user.wish_list.count()}
    return render(request, "shop/keep.html", context)


@require_POST
@guest_required
def erase(request: SignedInRequest) -> HttpResponse:
    """Delete the guest with all that is his."""
    purge_guest(user_id=request.user.pk)
    logout(request)
    messages.success(request, "Everything of yours has been erased.")
    return redirect("shop:products")


def _welcome(request: HttpRequest) -> None:
    for _message in messages.get_messages(request):
        pass  # allauth has said the same in smaller steps
    messages.success(request, "You have an account now. Your cart and your wish list came along.")


def _ours(request: HttpRequest, target: str) -> str:
    """Return the address if it is one of the shop's, else ""; or the page would be an open redirect."""
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else ""
