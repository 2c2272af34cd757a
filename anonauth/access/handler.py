"""The project's middleware around one view, and how a request through it ended."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import update_wrapper
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth.middleware import AuthenticationMiddleware, RemoteUserMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import PermissionDenied
from django.core.handlers.base import BaseHandler
from django.http import Http404, HttpRequest
from django.urls import ResolverMatch
from django.utils.module_loading import import_string

from anonauth.access.body import Place, Reached
from anonauth.access.routes import Route
from anonauth.access.seal import Blocked, swapped
from anonauth.access.verdicts import Outcome, Seen

#: They would say who the user is; in the probe that is known.
REPLACED = (SessionMiddleware, AuthenticationMiddleware, RemoteUserMiddleware)
REFUSALS = {401, 403}


class _Over(BaseException):
    """The outcome is known; whatever the project would answer with need not be made."""


class ProbeHandler(BaseHandler):
    """Runs one view within the middleware of the project."""

    def __init__(self) -> None:
        super().__init__()
        kept = [path for path in django_settings.MIDDLEWARE if not _is_replaced(path)]
        with swapped(django_settings, "MIDDLEWARE", kept):
            self.load_middleware()

    def make_view_atomic(self, view: Any) -> Any:
        return view

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        match: ResolverMatch = self.match
        request.resolver_match = match
        return match

    def outcome(
        self,
        request: HttpRequest,
        view: Callable[..., Any],
        route: Route,
        place: Place,
        undone: Callable[[], AbstractContextManager[Any]],
    ) -> Outcome:
        """Send a request to a view whose body is ``place`` and tell how that ended."""
        trial = _Trial(view)
        namespaces: list[str | None] = [*route.name.split(":")[:-1]]
        self.match = ResolverMatch(
            trial.stand_in(route.callback),
            route.args,
            dict(route.kwargs),
            url_name=route.name.rpartition(":")[2] or None,
            namespaces=namespaces,
            app_names=namespaces,
            route=route.pattern,
        )
        place.visited = False
        found = Outcome(Seen.UNCLEAR, "no answer")
        try:
            with undone():
                found = _answered(self.get_response(request))
        except (Reached, _Over):
            pass
        except Blocked as blocked:
            found = Outcome(Seen.UNCLEAR, f"a guard tried to use {blocked}")
        except Exception as error:  # of the project's code; the finding names it
            found = _failed(error)
        if place.visited:
            return Outcome(Seen.REACHED)
        return trial.outcome or found


class _Trial:
    """Watches how a view ended, before middleware makes a page of it."""

    def __init__(self, view: Callable[..., Any]) -> None:
        self.view = view
        self.outcome: Outcome | None = None

    def stand_in(self, callback: Any) -> Callable[..., Any]:
        """Return a view with the attributes of the real one, which middleware looks at."""

        def run(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                answer = self.view(request, *args, **kwargs)
                if inspect.isawaitable(answer):
                    answer = async_to_sync(_awaited)(answer)
            except PermissionDenied:
                self.end(Seen.REFUSED, "PermissionDenied")
            except Http404:
                self.end(Seen.UNCLEAR, "a 404 before the view")
            return answer

        return update_wrapper(run, callback)

    def end(self, seen: Seen, reason: str) -> None:
        self.outcome = Outcome(seen, reason)
        raise _Over


async def _awaited(answer: Any) -> Any:
    return await answer


def _answered(response: Any) -> Outcome:
    code = response.status_code
    if code == 405:
        return Outcome(Seen.NO_METHOD, "405")
    if code in REFUSALS:
        return Outcome(Seen.REFUSED, str(code))
    if 300 <= code < 400:
        target = response.get("Location", "").partition("?")[0]
        return Outcome(Seen.REFUSED, f"sent to {target}")
    # A 404 or a 400 may be due to the probe's arguments; a page in the view's place, such as a login form, is not.
    seen = Seen.ANSWERED if 200 <= code < 300 else Seen.UNCLEAR
    return Outcome(seen, f"answered {code} before the view")


def _failed(error: Exception) -> Outcome:
    if getattr(error, "status_code", None) in REFUSALS:
        return Outcome(Seen.REFUSED, type(error).__name__)
    text = re.sub(r" at 0x[0-9a-f]+", "", " ".join(str(error).split()))[:80]
    return Outcome(Seen.ERROR, f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _is_replaced(path: str) -> bool:
    found = import_string(path)
    return isinstance(found, type) and issubclass(found, REPLACED)
