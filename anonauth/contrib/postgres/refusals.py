"""What the database refuses, as an exception that every layer above knows what to do with."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import ProgrammingError

from anonauth.exceptions import DatabaseRefused

INSUFFICIENT_PRIVILEGE = "42501"

#: Where PostgreSQL's C code raises it: a row that breaks a policy; RAISE in a trigger or a function. A missing GRANT
#: has the same SQLSTATE, and is the project's mistake: it stays an error 500. Messages are translated, these are not.
REFUSING = {"ExecWithCheckOptions", "exec_stmt_raise"}


class StatementRefused(DatabaseRefused, PermissionDenied, ProgrammingError):
    """A policy or a trigger refused the statement.

    As ``AnonauthError`` it is answered by anonauth's own handlers, as ``PermissionDenied`` with 403 by Django and REST
    framework without any of ours, and as ``ProgrammingError`` it is what callers of the database expect.
    """

    def __init__(self, database_message: str) -> None:
        super().__init__()
        self.database_message = database_message
        # REST framework's own handler hands the arguments of PermissionDenied on, and shows a dict as the body.
        self.args = ({"code": self.code, "detail": self.message},)

    def __str__(self) -> str:
        return self.database_message


def is_refusal(error: ProgrammingError) -> bool:
    """Tell whether an error of the database is a policy or a trigger that said no."""
    cause: Any = error.__cause__
    if getattr(cause, "sqlstate", None) != INSUFFICIENT_PRIVILEGE:
        return False
    function = cause.diag.source_function
    # A proxy in between may drop the field.
    return function in REFUSING if function else "row-level security" in str(cause)
