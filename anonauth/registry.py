"""What installed contrib apps add to the adapter's answers; each registers in its ``AppConfig.ready()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: user -> the identities that the user has proved, as ``GET user/`` shows them.
identity_sources: list[Callable[[Any], list[dict[str, Any]]]] = []

#: () -> the ways to upgrade that work with the settings in force, e.g. ``"email"``.
upgrade_method_sources: list[Callable[[], list[str]]] = []

#: database alias -> what each table lets guests do, for ``audit_anonymous_access --tables``.
table_audits: list[Callable[[str], list[dict[str, Any]]]] = []

#: what a library's views need to be probed, for ``audit_anonymous_access``: ``anonauth.access.libraries.Library``.
access_libraries: list[Any] = []
