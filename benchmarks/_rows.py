"""Inside of the benchmarks' project: make people, or count the round trips of a request to PostgreSQL."""

from __future__ import annotations

import json
import sys
import tempfile
from typing import Any

import django
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

HOST = "127.0.0.1"


def people() -> dict[str, str]:
    """Return the keys of a session for a guest and one for a permanent user."""
    model: Any = get_user_model()
    guest, permanent = Client(SERVER_NAME=HOST), Client(SERVER_NAME=HOST)
    body = {"credentials": "session"}
    assert guest.post("/auth/anonymous/", body, "application/json").status_code == 201
    permanent.force_login(model.objects.create_user("permanent"))
    return {
        "guest": str(guest.session.session_key),
        "permanent": str(permanent.session.session_key),
    }


def trips(path: str) -> int:
    """Return how many messages libpq sends for the second of two equal requests; each is one round trip."""
    client = Client(SERVER_NAME=HOST)
    assert client.post(path).status_code == 200
    pgconn: Any = connection.connection.pgconn  # type: ignore[union-attr]
    with tempfile.TemporaryFile() as log:
        pgconn.trace(log.fileno())
        assert client.post(path).status_code == 200
        pgconn.untrace()
        log.seek(0)
        lines = log.read().decode("utf-8", "replace").splitlines()
    return sum("\tF\t" in line and "\tQuery\t" in line for line in lines)


if __name__ == "__main__":
    django.setup()
    print(json.dumps(people() if sys.argv[1] == "people" else trips(sys.argv[2])))
