"""What a contrib app tells the probe of its library's views; instances stand in ``registry.access_libraries``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any


class Library:
    """Override what the library needs; by default nothing."""

    def session(self, user: Any) -> dict[str, Any]:
        """Return what stands in the session of somebody who has just signed in."""
        return {}

    def overrides(self, view: type) -> dict[str, Any]:
        """Return attributes of a class view that let its guards be asked without a body in the request."""
        return {}

    def allowed(self, view: str) -> str | None:
        """Return why guests are meant to reach a view of the library, by its dotted name, or None."""
        return None

    def sealed(self) -> AbstractContextManager[Any]:
        """Return a context in which the library's machinery leaves the user of a request alone."""
        return nullcontext()
