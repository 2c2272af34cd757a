"""Server-rendered views that the tests of guards and of shortcuts use."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views import View
from django.views.decorators.cache import cache_control
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from anonauth.contrib.simplejwt.authentication import JWTAuthentication
from anonauth.decorators import guest_required, permanent_required, sign_in_guest
from anonauth.mixins import GuestRequiredMixin, PermanentRequiredMixin, SignInGuestMixin
from anonauth.shortcuts import asign_in, sign_in


def who(user: Any) -> JsonResponse:
    return JsonResponse({"id": str(user.pk) if user.is_authenticated else None})


@permanent_required
def permanent(request: HttpRequest) -> HttpResponse:
    return who(request.user)


@permanent_required(login_url="/in/", upgrade_url="/up/", redirect_field_name="back")
def permanent_elsewhere(request: HttpRequest) -> HttpResponse:
    return who(request.user)


@permanent_required
async def apermanent(request: HttpRequest) -> HttpResponse:
    return who(await request.auser())


@guest_required
def guest(request: HttpRequest) -> HttpResponse:
    return who(request.user)


@guest_required()
async def aguest(request: HttpRequest) -> HttpResponse:
    return who(await request.auser())


@sign_in_guest
def welcome(request: HttpRequest) -> HttpResponse:
    return who(request.user)


@sign_in_guest()
async def awelcome(request: HttpRequest) -> HttpResponse:
    return who(await request.auser())


class Permanent(PermanentRequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return who(request.user)


class AsyncPermanent(PermanentRequiredMixin, View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return who(await request.auser())


class Guest(GuestRequiredMixin, View):
    permanent_url = "/profile/"

    def get(self, request: HttpRequest) -> HttpResponse:
        return who(request.user)


class Welcome(SignInGuestMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return who(request.user)

    post = put = get


def basket(request: HttpRequest) -> HttpResponse:
    """A view that decides by itself, at the first write."""
    if request.method == "POST" or "force" in request.GET:
        key = request.POST.get("key")
        request.session["basket"] = [*request.session.get("basket", []), "apple"]
        return who(sign_in(request, idempotency_key=key))
    return who(request.user)


async def abasket(request: HttpRequest) -> HttpResponse:
    user = await asign_in(request)
    assert await request.auser() == user
    return who(user)


@cache_control(public=True, max_age=300)
def public(request: HttpRequest) -> HttpResponse:
    return who(request.user)


class Rest(APIView):
    """A view of a project whose API knows tokens only."""

    authentication_classes = (JWTAuthentication,)
    permission_classes = ()

    def post(self, request: Request) -> Response:
        return Response({"id": str(sign_in(request).pk)})


def open_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("everybody reads this")


urlpatterns = [
    path("auth/", include("anonauth.urls")),
    path("accounts/", include("allauth.urls")),
    path("permanent/", permanent),
    path("permanent-elsewhere/", permanent_elsewhere),
    path("apermanent/", apermanent),
    path("guest/", guest),
    path("aguest/", aguest),
    path("welcome/", welcome),
    path("awelcome/", awelcome),
    path("class/permanent/", Permanent.as_view()),
    path("class/apermanent/", AsyncPermanent.as_view()),
    path("class/guest/", Guest.as_view()),
    path("class/welcome/", Welcome.as_view()),
    path("basket/", basket),
    path("abasket/", abasket),
    path("open/", open_page),
    path("public/", public),
    path("rest/", Rest.as_view()),
    path("class/elsewhere/", Permanent.as_view(login_url="/in/", upgrade_url="/up/")),
]
