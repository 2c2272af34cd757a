"""Refusals for a browser that is at one of allauth's or our own addresses, with or without our middleware."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control

from anonauth.api.errors import status_of
from anonauth.exceptions import AnonauthError
from anonauth.refusals import refuse


def refused(request: HttpRequest, error: AnonauthError) -> HttpResponse:
    """Return the page that says why something was refused."""
    refuse(error.code, request)
    context = {"code": error.code, "message": error.message}
    answer = render(request, "anonauth/refused.html", context, status=status_of(error))
    patch_cache_control(answer, private=True, no_store=True)
    return answer
