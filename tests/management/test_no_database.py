"""What the commands say when the database does not answer."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection


def no_answer(*arguments: Any) -> Any:
    raise OperationalError("connection refused\n  is the server running?")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "command",
    [
        ["purge_anonymous"],
        ["purge_anonymous", "--dry-run"],
        ["check_anonymous"],
        ["anonymous_stats", "--fail-above", "created=1/h"],
    ],
)
def test_a_command_says_in_one_line_that_the_database_does_not_answer(command: list[str]) -> None:
    with (
        connection.execute_wrapper(no_answer),
        pytest.raises(CommandError, match=r"^The database refused: connection refused is the"),
    ):
        call_command(*command, stdout=StringIO(), stderr=StringIO())
