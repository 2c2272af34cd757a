"""How claims travel: with which statements, in how many messages, and what is left alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from anonauth.contrib.postgres import transport
from anonauth.contrib.postgres.identity import as_guest, as_service, as_user, as_visitor
from anonauth.contrib.postgres.testing import refused, under_row_security
from anonauth.contrib.postgres.transport import Kind, kind_of
from anonauth.exceptions import DatabaseRefused
from tests.contrib.postgres.models import Notice, Parcel
from tests.contrib.postgres.modes import MODES, connected
from tests.contrib.postgres.people import Person, person


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 1", Kind.READ),
        ("  \n(select 1) union (select 2)", Kind.READ),
        ("-- a comment\n/* and\nanother */ insert into x", Kind.WRITE),
        ("-- only a comment", Kind.OTHER),
        ("/* open SELECT", Kind.OTHER),
        ("WITH a AS (SELECT 1) INSERT INTO x", Kind.WRITE),
        ("SELECT set_config('a', 'b', true); DELETE FROM x", Kind.WRITE),
        ("select pg_catalog.set_config ('a', 'b', true)", Kind.WRITE),
        ("SELECT set_configuration", Kind.READ),
        ("EXPLAIN ANALYZE INSERT INTO x", Kind.WRITE),
        ("MERGE INTO x", Kind.WRITE),
        ("SAVEPOINT a", Kind.CONTROL),
        ("SET ROLE x", Kind.CONTROL),
        ("CALL a()", Kind.PROCEDURE),
        ("VACUUM x", Kind.OTHER),
        ("CREATE INDEX CONCURRENTLY a ON x (y)", Kind.OTHER),
        ("", Kind.OTHER),
    ],
)
def test_a_statement_is_known_by_its_first_word(sql: str, kind: Kind) -> None:
    assert kind_of(sql) is kind


@contextmanager
def messages() -> Iterator[list[str]]:
    """Collect what libpq sends to the server while the block runs: one entry is one round trip."""
    pgconn: Any = connection.connection.pgconn
    sent: list[str] = []
    with tempfile.TemporaryFile() as log:
        pgconn.trace(log.fileno())
        try:
            yield sent
        finally:
            pgconn.untrace()
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").splitlines()
    sent += [line for line in lines if "\tF\t" in line and "\tQuery\t" in line]


@pytest.fixture
def permanent(as_project: None) -> Person:
    found = person("permanent")
    connection.ensure_connection()
    return found


@pytest.mark.postgres
def test_claims_cost_no_round_trip(permanent: Person) -> None:
    with as_user(permanent.user), messages() as sent:
        Notice.objects.create(title="a")
    assert len(sent) == 1
    assert "set_config" in sent[0]
    assert "INSERT INTO" in sent[0]
    with as_user(permanent.user), messages() as sent, transaction.atomic():
        Notice.objects.create(title="a")
        Notice.objects.update(title="b")
        assert Notice.objects.count() == 2
    assert [line for line in sent if "set_config" not in line] == [sent[0], sent[-1]]
    assert len(sent) == 5, "BEGIN, three statements, COMMIT"


@pytest.mark.postgres
def test_a_request_makes_as_many_round_trips_with_claims_as_without(permanent: Person) -> None:
    with messages() as sent:
        assert permanent.get("knowing").status_code == 200
    connection.execute_wrappers.remove(transport.carry_claims)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE rows_notice DISABLE ROW LEVEL SECURITY")
    try:
        with messages() as bare:
            assert permanent.get("knowing").status_code == 200
    finally:
        transport.install_on_open_connections()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE rows_notice ENABLE ROW LEVEL SECURITY")
    assert len(sent) == len(bare) == 3, "session, user, INSERT"
    assert "set_config" not in "".join(bare)


@pytest.mark.postgres
def test_djangos_count_of_queries_is_the_same(permanent: Person) -> None:
    with as_user(permanent.user), CaptureQueriesContext(connection) as queries:
        Notice.objects.create(title="a")
    assert len(queries) == 1


@pytest.mark.postgres
def test_a_page_that_only_reads_loads_nobody_and_may_be_cached_for_all(permanent: Person) -> None:
    with CaptureQueriesContext(connection) as queries:
        answer = permanent.get("look")
    assert [query["sql"] for query in queries] == ["SELECT 1"]
    assert "Vary" not in answer.headers


@pytest.mark.postgres
def test_a_page_that_only_reads_speaks_for_its_user_where_reads_are_restricted(
    permanent: Person, settings: Any
) -> None:
    settings.ANONAUTH_ROW_SECURITY_READS = True
    with CaptureQueriesContext(connection) as queries:
        permanent.get("look")
    assert len(queries) == 3, "session and user as well"
    assert str(permanent.user.pk) in queries[-1]["sql"]


@pytest.mark.postgres
def test_the_switch_for_a_message_of_their_own_works_and_costs_it(
    permanent: Person, settings: Any
) -> None:
    settings.ANONAUTH_ROW_SECURITY_PREFIX = False
    with as_user(permanent.user), messages() as sent:
        Notice.objects.create(title="a")
    assert len(sent) == 4, "BEGIN, claims, INSERT, COMMIT"
    with as_guest(), refused():
        Notice.objects.create(title="no")
    assert permanent.get("orm").status_code == 200


@pytest.mark.postgres
def test_what_cannot_share_a_message_is_left_alone_outside_of_transactions(
    permanent: Person,
) -> None:
    with as_user(permanent.user), connection.cursor() as cursor:
        cursor.execute("VACUUM rows_parcel")
        cursor.execute("CREATE INDEX CONCURRENTLY rows_by_title ON rows_parcel (title)")
        cursor.execute("DROP INDEX CONCURRENTLY rows_by_title")


@pytest.mark.postgres
def test_procedures_carry_claims_and_may_end_transactions_where_nobody_speaks(
    permanent: Person,
) -> None:
    body = "BEGIN INSERT INTO rows_notice (title) VALUES ('procedure'); {} END"
    with connection.cursor() as cursor:
        for name, end in (("writes", ""), ("commits", "COMMIT;")):
            code = body.format(end) if name == "writes" else f"BEGIN {end} END"
            cursor.execute(f"CREATE PROCEDURE {name}() LANGUAGE plpgsql AS $$ {code} $$")
        try:
            cursor.execute("CALL commits()")
            with as_user(permanent.user):
                cursor.execute("CALL writes()")
                cursor.execute("DO $$ BEGIN INSERT INTO rows_notice (title) VALUES ('do'); END $$")
            with as_guest(), refused():
                cursor.execute("CALL writes()")
        finally:
            cursor.execute("DROP PROCEDURE writes; DROP PROCEDURE commits")
    assert Notice.objects.count() == 2


@pytest.mark.postgres
def test_a_function_that_writes_in_a_select_carries_no_claims_unless_reads_do(
    permanent: Person, settings: Any
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION write_notice() RETURNS void LANGUAGE sql"
            " AS $$ INSERT INTO rows_notice (title) VALUES ('f') $$"
        )
        try:
            with as_user(permanent.user), pytest.raises(DatabaseRefused):
                cursor.execute("SELECT write_notice()")
            settings.ANONAUTH_ROW_SECURITY_READS = True
            with as_user(permanent.user):
                cursor.execute("SELECT write_notice()")
            with as_guest(), refused():
                cursor.execute("SELECT write_notice()")
        finally:
            cursor.execute("DROP FUNCTION write_notice()")
    assert Notice.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.parametrize("reads", [True, False])
def test_all_that_the_orm_can_send_works(permanent: Person, settings: Any, reads: bool) -> None:
    settings.ANONAUTH_ROW_SECURITY_READS = reads
    with as_user(permanent.user):
        for title in ("a", "b", "100 % s"):
            Notice.objects.create(title=title)
        titles = list(Notice.objects.order_by("pk").values_list("title", flat=True))
        assert [n.title for n in Notice.objects.order_by("pk").iterator(chunk_size=2)] == titles
        with transaction.atomic():
            assert len(list(Notice.objects.iterator(chunk_size=2))) == 3
            assert Notice.objects.select_for_update().count() == 3
        assert "Scan" in Notice.objects.filter(title="a").explain()
        both = Notice.objects.filter(title="a").union(Notice.objects.filter(title="b"))
        assert both.count() == 2
        assert (
            len(list(Notice.objects.raw("SELECT * FROM rows_notice WHERE title LIKE '%%s'"))) == 1
        )
        notice = Notice.objects.get(title="a")
        notice.title = "changed"
        notice.save()
        assert Notice.objects.filter(title="changed").count() == 1
        assert Notice.objects.update_or_create(title="b", defaults={"title": "c"})[1] is False
        assert Notice.objects.filter(title__in=["c", "changed"]).delete()[0] == 2


@pytest.mark.postgres
def test_a_cursor_stands_at_the_first_answer_of_the_projects_own_statements(
    permanent: Person,
) -> None:
    with as_user(permanent.user), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rows_notice (title) VALUES ('x') RETURNING 'first'; SELECT 'second'"
        )
        assert cursor.fetchone() == ("first",)
        assert cursor.nextset()
        assert cursor.fetchone() == ("second",)


@pytest.mark.postgres
def test_outside_of_requests_nobody_speaks_unless_the_setting_says_so(
    as_project: None, settings: Any
) -> None:
    with refused():
        Notice.objects.create(title="no")
    settings.ANONAUTH_ROW_SECURITY_OUTSIDE_REQUESTS = "service"
    Notice.objects.create(title="a task")
    assert person("guest").get("orm").status_code == 403
    assert person("visitor").get("orm").status_code == 403
    with as_visitor(), refused():
        Notice.objects.create(title="no")


@pytest.mark.postgres
def test_blocks_nest_and_the_innermost_one_speaks(permanent: Person) -> None:
    with as_guest():
        with as_service():
            Parcel.objects.create(title="by the site")
            with as_user(permanent.user):
                Parcel.objects.create(title="by the user")
            Parcel.objects.create(title="by the site")
        with refused():
            Parcel.objects.create(title="by the guest")


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_project_whose_tests_connect_as_a_superuser_can_test_policies() -> None:
    permanent = person("permanent").user
    with under_row_security():
        with as_user(permanent):
            Notice.objects.create(title="written")
        with as_guest(), refused():
            Notice.objects.create(title="no")
        with under_row_security(), refused():
            Notice.objects.create(title="no")
    assert Notice.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db
def test_the_helper_for_tests_fails_where_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match="accepted every statement"), refused():
        Parcel.objects.count()
    with pytest.raises(ZeroDivisionError), refused():
        Parcel.objects.count() / 0


@pytest.mark.postgres
def test_the_helper_for_roles_works_without_a_transaction(transactional_db: None) -> None:
    with under_row_security():
        with as_service():
            Notice.objects.create(title="written")
        with refused():
            Notice.objects.create(title="no")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user = session_user")
        assert cursor.fetchone() == (True,)


@pytest.mark.postgres
def test_connections_from_before_the_app_was_ready_carry_claims_too(as_project: None) -> None:
    connection.ensure_connection()
    connection.execute_wrappers.clear()
    transport.install_on_open_connections()
    assert connections["default"].execute_wrappers == [transport.carry_claims]
    transport.install_on_open_connections()
    assert connections["default"].execute_wrappers == [transport.carry_claims]


@pytest.mark.django_db
def test_on_other_databases_nothing_changes() -> None:
    if connection.vendor == "postgresql":
        return
    assert transport.carry_claims not in connection.execute_wrappers
    with under_row_security(), as_guest():
        Notice.objects.create(title="SQLite has no such rules")
    assert person("guest").get("orm").status_code == 200


@pytest.mark.postgres
def test_with_server_side_binding_a_visitor_is_said_to_be_one(
    project_role: str, transactional_db: None
) -> None:
    with connected(project_role, **MODES["server-side binding"]):
        connection.ensure_connection()
        raw: Any = connection.connection
        left = '{"role":"service_role"}'
        raw.execute("SELECT set_config('request.jwt.claims', %s, false)", [left])
        with refused():
            Notice.objects.create(title="no")
