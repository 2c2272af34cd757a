"""The mark of a deliberate decision: guests are meant to reach this view."""

from __future__ import annotations

from typing import Any

MARK = "anonauth_guests_allowed"
DECIDED = "guests_allowed"


def marked(callback: Any, method: str, view_class: Any = None) -> str | None:
    """Return why guests are meant to reach a view with a method, or None where nobody said that they are.

    Args:
        callback: what stands in the URLconf, or what middleware is given as the view.
        method: such as ``"POST"``; a handler or an action can be marked alone.
        view_class: the class behind it, where the callback does not tell.
    """
    cls = view_class or getattr(callback, "cls", None) or getattr(callback, "view_class", None)
    actions = getattr(callback, "actions", None) or {}
    handler = getattr(cls, actions.get(method.lower(), method.lower()), None)
    return next((getattr(p, MARK) for p in (callback, cls, handler) if hasattr(p, MARK)), None)
