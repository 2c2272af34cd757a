"""Every way to write, for everybody, over every kind of connection that projects have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from anonauth.contrib.postgres.identity import as_service
from anonauth.contrib.postgres.refusals import StatementRefused
from tests.contrib.postgres.models import Notice
from tests.contrib.postgres.modes import MODES, connected
from tests.contrib.postgres.people import KINDS, Person, async_client
from tests.races.threads import together

pytestmark = pytest.mark.postgres

WAYS = (
    "orm",
    "raw",
    "raw_without_parameters",
    "composed",
    "commented",
    "bulk",
    "many",
    "after_a_savepoint",
)
ALL = [
    pytest.param(name, marks=pytest.mark.pgbouncer) if name.startswith("pgbouncer") else name
    for name in MODES
]
#: Django allows no async views with ATOMIC_REQUESTS.
WITH_ASYNC_VIEWS = [
    mode for name, mode in zip(MODES, ALL, strict=True) if "ATOMIC_REQUESTS" not in MODES[name]
]


@pytest.fixture(params=ALL)
def mode(
    request: pytest.FixtureRequest, transactional_db: None, project_role: str
) -> Iterator[str]:
    settings = dict(MODES[request.param])
    if request.param.startswith("pgbouncer"):
        settings |= request.getfixturevalue("bouncer")
    with connected(project_role, **settings):
        yield request.param


@pytest.fixture
def everybody(mode: str, people: dict[str, Person]) -> dict[str, Person]:
    return people


def titles() -> list[str]:
    return sorted(Notice.objects.values_list("title", flat=True))


def test_only_permanent_users_write_and_they_do_in_every_way(
    everybody: dict[str, Person],
) -> None:
    for way in WAYS:
        statuses = {kind: everybody[kind].get(way).status_code for kind in KINDS}
        assert statuses == {"visitor": 403, "guest": 403, "permanent": 200}, way
    assert titles() == sorted(
        ["orm", "100 %", "100 %s %", "100 %", "commented", "a", "b", "kept", *map(str, range(50))]
    )


def test_a_streaming_answer_speaks_for_its_user(everybody: dict[str, Person]) -> None:
    assert everybody["permanent"].get("stream").body == b"begun written"
    for kind in ("visitor", "guest"):
        with pytest.raises(StatementRefused):
            everybody[kind].get("stream")
    assert titles() == ["streamed"]


def test_a_refused_update_is_an_error_and_a_refused_delete_deletes_nothing(
    everybody: dict[str, Person],
) -> None:
    with as_service():
        Notice.objects.bulk_create([Notice(title="a"), Notice(title="b")])
    for kind in ("visitor", "guest"):
        assert everybody[kind].get("update").status_code == 403
        assert everybody[kind].get("delete").content == b"0"
    assert titles() == ["a", "b"]
    assert everybody["permanent"].get("update").content == b"2"
    assert everybody["permanent"].get("delete").content == b"2"


def test_a_token_that_the_view_itself_reads_decides_and_beats_the_session(
    everybody: dict[str, Person],
) -> None:
    statuses = {kind: everybody[kind].post("api").status_code for kind in KINDS}
    assert statuses == {"visitor": 403, "guest": 403, "permanent": 201}
    both = Person("guest", everybody["guest"].user, everybody["permanent"].http)
    assert both.get("orm").status_code == 200
    assert both.post_with_session("api").status_code == 403


def test_nothing_is_left_on_the_connection_after_an_answer_or_an_exception(
    everybody: dict[str, Person], mode: str
) -> None:
    processes = set()
    for way, status in (("orm", 200), ("after_a_savepoint", 200), ("failing", 500), ("many", 200)):
        assert everybody["permanent"].get(way).status_code == status
        left = everybody["visitor"].get("claims").json()
        assert not left["claims"], way
        processes.add(left["pid"])
        assert everybody["guest"].get("orm").status_code == 403
    assert "lost" not in titles()
    if "pool" not in mode:
        assert len(processes) == 1, "not the same connection, so nothing was shown"


def test_four_threads_with_three_identities_never_speak_for_each_other(
    everybody: dict[str, Person],
) -> None:
    expected = {"visitor": 403, "guest": 403, "permanent": 200}

    def hammer(kind: str) -> list[str]:
        own = everybody[kind]
        return [kind for _ in range(8) if own.get("raw").status_code != expected[kind]]

    wrong = together(*(lambda kind=kind: hammer(kind) for kind in (*KINDS, "visitor")))
    assert wrong == [[], [], [], []]
    assert len(titles()) == 8


@pytest.mark.parametrize("mode", WITH_ASYNC_VIEWS, indirect=True)
def test_async_views_that_take_turns_never_speak_for_each_other(
    everybody: dict[str, Person],
) -> None:
    expected = {"visitor": 403, "guest": 403, "permanent": 200}

    async def visit(kind: str) -> list[int]:
        client = async_client(everybody[kind])
        return [(await client.get("/rows/async_orm/")).status_code for _ in range(5)]

    async def visits() -> list[list[int]]:
        seen = await asyncio.gather(*(visit(kind) for kind in KINDS))
        await sync_to_async(connections.close_all)()  # those of the thread of async code
        return seen

    seen = dict(zip(KINDS, asyncio.run(visits()), strict=True))
    assert seen == {kind: [status] * 5 for kind, status in expected.items()}
