"""Sends the claims in the same message as the statement that needs them.

    SELECT set_config('request.jwt.claims', '{…}', true); INSERT …

Two statements in one message are one implicit transaction, so that the setting ends with the statement; inside of a
transaction it ends with the transaction. Nothing is ever set for the session, which a pool would hand to the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from enum import Enum
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.db import ProgrammingError, connections, transaction

from anonauth.conf import get_settings
from anonauth.contrib.postgres.constraints import RestrictAnonymous
from anonauth.contrib.postgres.identity import current_claims
from anonauth.contrib.postgres.refusals import StatementRefused, is_refusal

SETTING = "request.jwt.claims"

#: django-pghistory leaves statements alone that begin with SELECT; the comment hides ours from it.
MARK = "/*anonauth*/"

#: On a connection: this transaction has claims, so that each later statement has to set its own, also none.
SET = "anonauth_claims_are_set"


class Kind(Enum):
    """What a statement may need claims for."""

    READ = "read"
    WRITE = "write"
    CONTROL = "control"  # of transactions and sessions: never touched
    PROCEDURE = "procedure"  # may write; may also end transactions, and then cannot share a message
    OTHER = "other"  # much of it cannot share a message with another statement, e.g. VACUUM


KINDS = {
    **dict.fromkeys(("SELECT", "TABLE", "VALUES"), Kind.READ),
    **dict.fromkeys(("INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "EXPLAIN"), Kind.WRITE),
    **dict.fromkeys(("CALL", "DO"), Kind.PROCEDURE),
    **dict.fromkeys(
        ("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"),
        Kind.CONTROL,
    ),
    **dict.fromkeys(("SET", "RESET", "SHOW", "LISTEN", "UNLISTEN", "NOTIFY"), Kind.CONTROL),
}
OURS = re.compile(
    rf"\A{re.escape(MARK)}SELECT set_config\('[\w.]+', ?E?'(?:[^']|'')*', true\);", re.DOTALL
)
FIRST_WORD = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]*)", re.DOTALL)
SETS_SOMETHING = re.compile(r"SELECT\s+(?:pg_catalog\.)?set_config\s*\(", re.IGNORECASE)


def kind_of(sql: str) -> Kind:
    """Tell what kind of statement this is; in doubt one that needs nothing but must not be touched."""
    found = FIRST_WORD.match(sql)
    word, start = (found[1].upper(), found.start(1)) if found else ("", 0)
    if word == "SELECT" and SETS_SOMETHING.match(sql, start):
        return Kind.WRITE  # the prefix of another library: what follows it may be anything
    return KINDS.get(word, Kind.OTHER)


def without_claims(sql: str) -> str:
    """Return a statement as it was before claims were put in front of it."""
    return OURS.sub("", sql)


def carry_claims(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Execute a statement with the claims of whoever speaks now; an execute wrapper of Django's."""
    try:
        return _carry(execute, sql, params, many, context)
    except ProgrammingError as error:
        if isinstance(error, StatementRefused) or not is_refusal(error):
            raise
        raise StatementRefused(str(error)) from error.__cause__


def _carry(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    connection, cursor = context["connection"], context["cursor"].cursor
    text = _as_text(sql, connection)
    kind = Kind.WRITE if text is None else kind_of(text)
    claims = _claims_for(kind, connection)
    if claims is None:
        return execute(sql, params, many, context)
    if text is not None and kind is not Kind.OTHER and not many and _takes_two(connection, cursor):
        literal = _literal(connection, claims)
        prefix = f"{MARK}SELECT set_config('{SETTING}', {literal}, true);"
        result = execute(prefix + text, params, many, context)
        cursor.nextset()
        return result
    with nullcontext() if _is_inside(connection) else transaction.atomic(using=connection.alias):
        with connection.wrap_database_errors, connection.connection.cursor() as own:
            own.execute("SELECT set_config(%s, %s, true)", [SETTING, claims])
        return execute(sql, params, many, context)


def _claims_for(kind: Kind, connection: Any) -> str | None:
    """Return what a statement has to say, "" for a visitor, and None where it is left alone."""
    inside = _is_inside(connection)
    if not inside:
        setattr(connection, SET, False)
    is_set = getattr(connection, SET, False)
    must_know = kind in (Kind.WRITE, Kind.PROCEDURE) or reads_need_claims()
    untouchable = kind is Kind.CONTROL or (kind is Kind.OTHER and not inside)
    if untouchable or not (must_know or is_set):
        return None
    # SECURITY: "" is said as well. In a transaction the claims of whoever spoke before would still be there, and
    # somebody may have left a value on the session.
    claims = current_claims(must_know=must_know)
    if kind is Kind.PROCEDURE and not inside and not claims:
        return None
    if inside:
        setattr(connection, SET, True)
    return claims


def _is_inside(connection: Any) -> bool:
    return bool(connection.in_atomic_block) or not connection.get_autocommit()


def _as_text(sql: Any, connection: Any) -> str | None:
    if isinstance(sql, str):
        return sql
    if hasattr(sql, "as_string"):  # psycopg.sql
        return str(sql.as_string(connection.connection))
    return None


def _takes_two(connection: Any, cursor: Any) -> bool:
    """Tell whether a cursor sends what it is given in one message, with the parameters in the text."""
    if not get_settings().row_security_prefix or getattr(cursor, "name", None):
        return False
    return isinstance(cursor, getattr(connection.Database, "ClientCursor", ()))


def _literal(connection: Any, text: str) -> str:
    # The server's own rules for literals decide, for this connection: standard_conforming_strings may be off.
    pq = connection.Database.pq
    escaped: bytes = pq.Escaping(connection.connection.pgconn).escape_literal(text.encode("ascii"))
    return escaped.decode("ascii")


def reads_need_claims() -> bool:
    """Tell whether SELECTs carry claims: as the setting says, else if a declared rule restricts reading."""
    wanted: bool | None = get_settings().row_security_reads
    return _a_rule_restricts_reading() if wanted is None else wanted


@lru_cache(maxsize=1)
def _a_rule_restricts_reading() -> bool:
    return any(
        isinstance(rule, RestrictAnonymous) and "SELECT" in rule.commands
        for model in apps.get_models()
        for rule in model._meta.constraints
    )


def install(connection: Any) -> None:
    """Make a connection to PostgreSQL carry claims; others stay as they are."""
    if connection.vendor == "postgresql" and carry_claims not in connection.execute_wrappers:
        # In front: connection.execute_wrapper() takes the last one away when its block ends, and a connection can be
        # made inside of such a block.
        connection.execute_wrappers.insert(0, carry_claims)


def on_connection_created(*, connection: Any, **kwargs: Any) -> None:
    """Receive Django's signal ``connection_created``."""
    install(connection)


def install_on_open_connections() -> None:
    """Reach the connections that an app before ours has made already."""
    for connection in connections.all(initialized_only=True):
        install(connection)
