"""The guards of ``anonauth.decorators`` for class-based views, sync and async."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.views import View

from anonauth.decorators import guest_required, permanent_required, sign_in_guest


class PermanentRequiredMixin(View):
    """Lets permanent users in, like ``permanent_required``."""

    login_url: str | None = None
    upgrade_url: str | None = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        guard = permanent_required(**_urls(cls, initkwargs, "login_url", "upgrade_url"))
        guarded: Callable[..., Any] = guard(super().as_view(**initkwargs))
        return guarded


class GuestRequiredMixin(View):
    """Lets guests in, like ``guest_required``."""

    login_url: str | None = None
    permanent_url: str | None = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        guard = guest_required(**_urls(cls, initkwargs, "login_url", "permanent_url"))
        guarded: Callable[..., Any] = guard(super().as_view(**initkwargs))
        return guarded


class SignInGuestMixin(View):
    """Makes a visitor a guest in requests that write, like ``sign_in_guest``."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        guarded: Callable[..., Any] = sign_in_guest(super().as_view(**initkwargs))
        return guarded


def _urls(view: type[View], initkwargs: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: initkwargs.get(name, getattr(view, name)) for name in names}
