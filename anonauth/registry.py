"""What installed contrib apps add to the adapter's answers; each registers in its ``AppConfig.ready()``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

#: user -> the identities that the user has proved, as ``GET user/`` shows them.
identity_sources: list[Callable[[Any], list[dict[str, Any]]]] = []

#: () -> the ways to upgrade that work with the settings in force, e.g. ``"email"``.
upgrade_method_sources: list[Callable[[], list[str]]] = []

#: database alias -> what each table lets guests do, for ``audit_anonymous_access --tables``.
table_audits: list[Callable[[str], list[dict[str, Any]]]] = []

#: () -> a block in which the database takes statements as the site's own, for flows that are nobody's request.
service_contexts: list[Callable[[], AbstractContextManager[None]]] = []


@contextmanager
def as_service() -> Iterator[None]:
    """Let a flow act for the site itself, where a contrib app makes the database tell users apart."""
    with ExitStack() as stack:
        for enter in service_contexts:
            stack.enter_context(enter())
        yield
