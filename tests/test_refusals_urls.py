"""A page that makes guests, beside the endpoints."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from anonauth.decorators import sign_in_guest
from tests.urls import urlpatterns as everything


@sign_in_guest
def write(request: HttpRequest) -> HttpResponse:
    return HttpResponse("written")


urlpatterns = [*everything, path("write/", write)]
