"""Connections as projects have them: the tests' own role may be a superuser, for whom no policy holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from anonauth.contrib.postgres.identity import as_service
from tests.contrib.postgres.modes import MODES, PASSWORD, ROLE, connected, prepare_role
from tests.contrib.postgres.people import KINDS, Person, person
from tests.services import pgbouncer

#: Where these tests write.
LEFT = (
    "rows_notice",
    "rows_parcel",
    "posts",
    "news_feed",
    "cart_items",
    "testapp_note",
    "django_session",
    "anonauth_mergerecord",
    "anonauth_pendingupgrade",
    "anonauth_signinkey",
    "anonauth_dailytally",
    "anonauth_watermark",
    "testapp_user",
)


@pytest.fixture(scope="session")
def project_role(django_db_setup: None, django_db_blocker: Any) -> str:
    """Give the name of a role that owns the tables and is no superuser."""
    with django_db_blocker.unblock():
        return prepare_role()


@pytest.fixture
def plain(db: None, project_role: str) -> None:
    """Be that role, inside of the test's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {project_role}")


@pytest.fixture
def transactional_db(project_role: str, django_db_blocker: Any) -> Iterator[None]:
    """Let the test commit, like the fixture of this name; quicker, since only the tables of these tests are emptied."""
    with django_db_blocker.unblock():
        yield
        with as_service(), connection.cursor() as cursor:
            for table in LEFT:
                cursor.execute(f"DELETE FROM {table}")
        connection.close()


@pytest.fixture
def as_project(transactional_db: None, project_role: str) -> Iterator[None]:
    """Connect as that role, without a transaction around the test."""
    with connected(project_role, **MODES["persistent"]):
        yield


@pytest.fixture
def people() -> dict[str, Person]:
    """Give one person of each kind."""
    return {kind: person(kind) for kind in KINDS}


@pytest.fixture(scope="session")
def bouncer(project_role: str) -> Iterator[dict[str, Any]]:
    """Give the settings of a pgbouncer in transaction mode, with one connection to the server for everybody."""
    binary = pgbouncer.find()
    assert binary is not None
    behind = connection.settings_dict
    password = PASSWORD if project_role == ROLE else behind["PASSWORD"]
    with pgbouncer.server(binary, behind, {project_role: password}) as settings:
        yield settings
