"""A page as most are: it loads its user by the session, reads a row and writes one."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from benchmarks.project.models import Plain, WithPolicy, WithTrigger

TABLES = {"plain": Plain, "policy": WithPolicy, "trigger": WithTrigger}


class SessionInQuery:
    """Takes the session's key from the address, because the load generator has no cookies."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.COOKIES[settings.SESSION_COOKIE_NAME] = request.GET.get("session", "")
        return self.get_response(request)


@csrf_exempt
def page(request: HttpRequest, table: str) -> JsonResponse:
    """Session, user, one read, one write."""
    model = TABLES[table]
    title = f"by {request.user.pk}"
    found = model._default_manager.filter(pk=1).first()
    model._default_manager.create(title=title)
    return JsonResponse({"found": found is not None})
