"""Views behind guards of every kind, each with the verdict that it deserves."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import (
    login_not_required,
    login_required,
    permission_required,
    user_passes_test,
)
from django.contrib.auth.mixins import (
    LoginRequiredMixin,
    PermissionRequiredMixin,
    UserPassesTestMixin,
)
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseForbidden,
    HttpResponseRedirect,
)
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_page, never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from django.views.generic import CreateView, TemplateView
from rest_framework import exceptions, permissions
from rest_framework.decorators import api_view, permission_classes
from rest_framework.response import Response
from rest_framework.views import APIView

from anonauth.api.permissions import IsGuest, IsPermanentUser
from anonauth.decorators import guest_required, guests_allowed, permanent_required, sign_in_guest
from anonauth.mixins import GuestRequiredMixin, PermanentRequiredMixin
from anonauth.models import is_permanent
from tests.testapp.models import Note

ran: list[str] = []


def body(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """No view of the lab may ever run in the probe."""
    ran.append(request.path)
    return HttpResponse("body")


def fresh() -> Any:
    """Return a view that is nobody else's."""

    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return body(request)

    return view


def afresh() -> Any:
    async def view(request: HttpRequest) -> HttpResponse:
        return body(request)

    return view


# --- decorators of a project's own


def with_wraps(view: Any) -> Any:
    @functools.wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not is_permanent(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return inner


def without_wraps(view: Any) -> Any:
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return view(request) if is_permanent(request.user) else HttpResponseForbidden()

    return inner


def with_two_callables(the_thing: Any, or_else: Any = lambda *a: HttpResponseForbidden()) -> Any:
    def inner(request: HttpRequest) -> Any:
        return the_thing(request) if is_permanent(request.user) else or_else()

    return inner


def without_a_clue(first: Any, second: Any) -> Any:
    def inner(anything: Any) -> Any:
        return first(anything) or second(anything)

    return inner


class AnObject:
    def __init__(self, fn: Any) -> None:
        self.fn = fn

    def __call__(self, request: HttpRequest) -> Any:
        return self.fn(request) if is_permanent(request.user) else HttpResponseForbidden()


def with_a_login_form(view: Any) -> Any:
    """Answer 200 with a form in the view's place, as some packages do."""

    @functools.wraps(view)
    def inner(request: HttpRequest) -> Any:
        return view(request) if request.user.is_superuser else HttpResponse("log in here")

    return inner


def hidden_by_404(view: Any) -> Any:
    @functools.wraps(view)
    def inner(request: HttpRequest) -> Any:
        if not request.user.is_superuser:
            raise Http404
        return view(request)

    return inner


def owns_a_note(view: Any) -> Any:
    @functools.wraps(view)
    def inner(request: HttpRequest) -> Any:
        if request.user.is_superuser or Note.objects.filter(owner=request.user.pk).exists():
            return view(request)
        raise PermissionDenied

    return inner


def that(effect: Callable[[], Any]) -> Any:
    """Return a decorator whose guard has an effect."""

    def decorate(view: Any) -> Any:
        @functools.wraps(view)
        def inner(request: HttpRequest) -> Any:
            effect()
            return view(request)

        return inner

    return decorate


TRACE = Path(os.environ.get("TMPDIR", "/tmp")) / "anonauth-must-not-exist"


def mails() -> None:
    EmailMessage("subject", "body", to=["ann@example.org"]).send()


def connects() -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=1)


EFFECTS: dict[str, tuple[Callable[[], Any], str]] = {
    "insert": (lambda: Note.objects.create(text="?"), "the database for writing"),
    "update": (lambda: Note.objects.update(text="?"), "the database for writing"),
    "connect": (connects, "network"),
    "resolve": (lambda: socket.getaddrinfo("example.org", 80), "network"),
    "start": (lambda: subprocess.run(["true"], check=False), "another process"),
    "fork": (os.fork, "another process"),
    "write": (lambda: TRACE.write_text("?"), "files"),
    "mkdir": (TRACE.mkdir, "files"),
    "delete": (TRACE.unlink, "files"),
    "mail": (mails, "mail"),
}


# --- class views


class Plain(View):
    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return body(request)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return body(request)


class Login(LoginRequiredMixin, Plain):
    pass


class Rights(PermissionRequiredMixin, Plain):
    permission_required = "testapp.add_note"


class Test(UserPassesTestMixin, Plain):
    def test_func(self) -> bool:
        return is_permanent(self.request.user)


class PostOnly(Plain):
    @method_decorator(login_required)
    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return body(request)


@method_decorator([never_cache, user_passes_test(is_permanent)], name="dispatch")
class Decorated(Plain):
    pass


class Dispatch(Plain):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not is_permanent(request.user):
            return HttpResponseRedirect("/login/")
        return super().dispatch(request, *args, **kwargs)


class Setup(Plain):
    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        if not is_permanent(request.user):
            raise PermissionDenied


class Template(TemplateView):
    template_name = "missing.html"


class Create(LoginRequiredMixin, CreateView):  # type: ignore[type-arg]
    model = Note
    fields = ["text"]


class Async(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return body(request)


class Permanent(PermanentRequiredMixin, Plain):
    pass


class ForGuests(GuestRequiredMixin, Plain):
    pass


class InTheBody(LoginRequiredMixin, Plain):
    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        self.refuse(request)
        return body(request)

    def refuse(self, request: HttpRequest) -> None:
        if getattr(request.user, "is_guest", False):
            raise PermissionDenied


class Registered(type):
    """A metaclass that would remember a subclass made for the probe."""

    known: list[str] = []

    def __init__(cls, name: str, bases: Any, namespace: Any) -> None:
        super().__init__(name, bases, namespace)
        Registered.known.append(name)


class WithMetaclass(Login, metaclass=Registered):
    pass


# --- REST framework


class Rest(APIView):
    def get(self, request: Any, **kwargs: Any) -> Response:
        return Response(body(request).status_code)

    post = get


class MethodPermissions(Rest):
    def get_permissions(self) -> Any:
        return [] if self.request.method == "GET" else [IsPermanentUser()]


class Initial(Rest):
    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not is_permanent(request.user):
            raise exceptions.PermissionDenied


@api_view(["GET", "POST"])
@permission_classes([IsPermanentUser])
def rest_function(request: Any) -> Response:
    return Response(body(request).status_code)


# --- the URLs, with who should reach them: for GET and POST alike, or for each

V, G, P, C, U, NO = "visitor", "guest", "permanent", "closed", "unknown", None
is_ours: Any = user_passes_test(is_permanent)

LAB: dict[str, tuple[Any, Any]] = {
    "open": (fresh(), V),
    "login": (login_required(fresh()), G),
    "test": (is_ours(fresh()), P),
    "permanent": (permanent_required(fresh()), P),
    "guest": (guest_required(fresh()), G),
    "sign-in": (sign_in_guest(fresh()), (V, G)),  # the visitor would become one
    "rights": (permission_required("testapp.add_note")(fresh()), C),
    "rights-raise": (permission_required("testapp.add_note", raise_exception=True)(fresh()), C),
    "staff": (staff_member_required(fresh()), C),
    "wraps": (with_wraps(fresh()), P),
    "no-wraps": (without_wraps(fresh()), P),
    "two-callables": (with_two_callables(fresh()), P),
    "no-clue": (without_a_clue(len, max), U),
    "object": (AnObject(fresh()), P),
    "post": (login_required(require_POST(fresh())), (NO, G)),
    "post-first": (require_POST(login_required(fresh())), (NO, G)),
    "stack": (csrf_exempt(never_cache(login_required(fresh()))), G),
    "cached": (cache_page(60)(login_required(fresh())), G),
    "login-cached": (login_required(cache_page(60)(fresh())), G),
    "atomic": (transaction.atomic(login_required(fresh())), G),
    "login-atomic": (login_required(transaction.atomic(fresh())), G),
    "async": (login_required(afresh()), G),
    "async-open": (afresh(), V),
    "async-permanent": (permanent_required(afresh()), P),
    "partial": (functools.partial(login_required(fresh()), extra=1), G),
    "inner-partial": (login_required(functools.partial(is_ours(fresh()), extra=1)), P),
    "login-form": (with_a_login_form(fresh()), C),
    "hidden": (hidden_by_404(fresh()), U),
    "owner": (owns_a_note(fresh()), C),
    "class": (Plain.as_view(), V),
    "class-login": (Login.as_view(), G),
    "class-rights": (Rights.as_view(), C),
    "class-test": (Test.as_view(), P),
    "class-post": (PostOnly.as_view(), (V, G)),
    "class-decorated": (Decorated.as_view(), P),
    "class-dispatch": (Dispatch.as_view(), P),
    "class-setup": (Setup.as_view(), P),
    "class-wrapped": (login_required(Plain.as_view()), G),
    "class-unwrapped": (without_wraps(Plain.as_view()), P),
    "class-template": (Template.as_view(), (V, NO)),
    "class-create": (Create.as_view(), G),
    "class-async": (Async.as_view(), (V, NO)),
    "class-permanent": (Permanent.as_view(), P),
    "class-guests": (ForGuests.as_view(), G),
    "class-body": (InTheBody.as_view(), G),
    "class-metaclass": (WithMetaclass.as_view(), G),
    "rest": (Rest.as_view(), V),
    "rest-login": (Rest.as_view(permission_classes=[permissions.IsAuthenticated]), G),
    "rest-read": (Rest.as_view(permission_classes=[permissions.IsAuthenticatedOrReadOnly]), (V, G)),
    "rest-admin": (Rest.as_view(permission_classes=[permissions.IsAdminUser]), C),
    "rest-permanent": (Rest.as_view(permission_classes=[IsPermanentUser]), P),
    "rest-composed": (Rest.as_view(permission_classes=[permissions.IsAuthenticated & ~IsGuest]), P),
    "rest-either": (
        Rest.as_view(permission_classes=[IsPermanentUser | permissions.IsAdminUser]),
        P,
    ),
    "rest-method": (MethodPermissions.as_view(), (V, P)),
    "rest-initial": (Initial.as_view(), P),
    "rest-cached": (cache_page(9)(Rest.as_view(permission_classes=[IsPermanentUser])), P),
    "rest-wrapped": (login_required(Rest.as_view(permission_classes=[IsPermanentUser])), P),
    "rest-function": (rest_function, P),
}

urlpatterns = [
    path("accounts/login/", fresh(), name="account_login"),
    path("admin/", include(([path("login/", fresh(), name="login")], "admin"))),
    *(path(f"{name}/", view, name=name) for name, (view, _) in LAB.items()),
    *(path(f"effect/{name}/", that(effect)(fresh())) for name, (effect, _) in EFFECTS.items()),
    path("cached-guard/", that(lambda: cache.set("probe", 1))(fresh()), name="cached-guard"),
    path("not-required/", login_not_required(fresh()), name="not-required"),
    path("marked/", guests_allowed(login_required(fresh())), name="marked"),
]
