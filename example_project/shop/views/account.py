"""Who am I here, how long are my things kept, and how do I keep or erase them."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from anonauth.decorators import guest_required
from anonauth.flows.purge import purge_guest
from example_project.shop.requests import SignedInRequest


@login_required
def account(request: SignedInRequest) -> HttpResponse:
    """Show the account, or the guest."""
    context = {
        "wish_count": request.user.wish_list.count(),
        "order_count": request.user.orders.count(),
        "review_count": request.user.reviews.count(),
    }
    return render(request, "shop/account.html", context)


def keep(request: HttpRequest) -> HttpResponse:
    """Say how a guest keeps his things. ANONAUTH_UPGRADE_URL names this page."""
    target = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    if request.user.is_authenticated and not request.user.is_guest:
        return redirect(target if is_ours else "shop:account")
    return render(request, "shop/keep.html", {"next": target if is_ours else ""})


@require_POST
@guest_required
def erase(request: SignedInRequest) -> HttpResponse:
    """Delete the guest with all that is his."""
    purge_guest(user_id=request.user.pk)
    logout(request)
    messages.success(request, "Everything of yours has been erased.")
    return redirect("shop:products")
