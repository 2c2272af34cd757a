"""What a command says when the database does not answer, or refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError
from django.db import Error


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Let an error of the database end a command with one line, which is worth more in a mail from cron.

    Raises:
        CommandError: with what the database said; ``--traceback`` shows where.
    """
    try:
        yield
    except Error as error:
        raise CommandError(f"The database refused: {' '.join(str(error).split())}") from error
