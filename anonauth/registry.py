"""What installed contrib apps add to the adapter's answers; each registers in its ``AppConfig.ready()``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: user -> the identities that the user has proved, as ``GET user/`` shows them.
identity_sources: list[Callable[[Any], list[dict[str, Any]]]] = []

#: () -> the ways to upgrade that work with the settings in force, e.g. ``"email"``.
upgrade_method_sources: list[Callable[[], list[str]]] = []

#: database alias -> what each table lets guests do, for ``audit_anonymous_access --tables``.
table_audits: list[Callable[[str], list[dict[str, Any]]]] = []

#: database alias -> rows that mean nothing any more, for the purge to sweep; None where there is no such table.
expired_rows: list[Callable[[str], QuerySet[Any] | None]] = []

#: database alias -> rows with a ``user_id``: whose they are is in the middle of something that the purge must not end.
purge_holds: list[Callable[[str], QuerySet[Any]]] = []

#: guests who are deleted next, in the same transaction -> None; to end what is theirs without a foreign key.
purge_preparations: list[Callable[[QuerySet[Any]], None]] = []

#: users -> for each kind of proof, e.g. ``"email"``, the keys of those of them who have given it.
proof_sources: list[Callable[[Sequence[Any]], Mapping[str, set[Any]]]] = []

#: users -> the keys of those of them whose password, if they have one, opens nothing.
void_password_sources: list[Callable[[Sequence[Any]], set[Any]]] = []

#: (guest, address) -> None: makes an address that staff vouches for the guest's, as a proved one.
address_writers: list[Callable[[Any, str], None]] = []

#: (guest, kinds) -> None: takes off a guest whom somebody else vouches for what he never proved; before his upgrade.
vouched_hooks: list[Callable[[Any, Sequence[str]], None]] = []

#: how an identity was proved, as a merge ticket says -> refuses the account to which that proof is no login here. A
#: method without an entry is no login at all.
ticket_logins: dict[str, Callable[[HttpRequest, Any], None]] = {}

#: (request, user) -> None: is told of a user's new session that no login of the contrib app's has made.
session_listeners: list[Callable[[HttpRequest, Any], None]] = []

#: what a library's views need to be probed, for ``audit_anonymous_access``: ``anonauth.access.libraries.Library``.
access_libraries: list[Any] = []

#: statement -> the same without what a contrib app sends in front of it, for who looks at statements.
statement_cleaners: list[Callable[[str], str]] = []

#: () -> a block in which the database takes statements as the site's own, for flows that are nobody's request.
service_contexts: list[Callable[[], AbstractContextManager[None]]] = []


@contextmanager
def as_service() -> Iterator[None]:
    """Let a flow act for the site itself, where a contrib app makes the database tell users apart."""
    with ExitStack() as stack:
        for enter in service_contexts:
            stack.enter_context(enter())
        yield
