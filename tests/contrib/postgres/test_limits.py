"""Where the rules end: what the documentation says of it is so."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from anonauth.contrib.postgres.identity import as_guest, as_user
from anonauth.contrib.postgres.testing import refused
from tests.contrib.postgres.models import Notice, Parcel
from tests.contrib.postgres.people import User

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("plain")]


@pytest.fixture
def permanent() -> Any:
    return User.objects.create_user("permanent")


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def copy_into(table: str) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} (title) FROM STDIN") as copy:
        copy.write("copied\n")


def test_copy_is_asked_like_an_insert_by_triggers_and_has_the_claims_before_it(
    permanent: Any,
) -> None:
    with (
        pytest.raises(Exception, match="may insert rows of table rows_parcel"),
        transaction.atomic(),
    ):
        copy_into("rows_parcel")
    with as_user(permanent):
        Parcel.objects.create(title="before")
    copy_into("rows_parcel")
    assert Parcel.objects.filter(title="copied").exists()


def test_copy_is_refused_to_everybody_by_row_security(permanent: Any) -> None:
    with as_user(permanent):
        Notice.objects.create(title="before")
        with pytest.raises(Exception, match="COPY FROM not supported"), transaction.atomic():
            copy_into("rows_notice")


def test_truncate_is_covered_by_neither(permanent: Any) -> None:
    with as_user(permanent):
        Notice.objects.create(title="a")
        Parcel.objects.create(title="a")
    run("SET CONSTRAINTS ALL IMMEDIATE")
    with as_guest():
        run("TRUNCATE rows_notice, rows_parcel")
    assert not Notice.objects.exists()
    assert not Parcel.objects.exists()


@pytest.mark.parametrize(
    ("rule", "survives"),
    [
        (
            "ALTER TABLE child ENABLE ROW LEVEL SECURITY; ALTER TABLE child FORCE ROW LEVEL SECURITY;"
            " CREATE POLICY all_of_it ON child USING (true);"
            " CREATE POLICY none ON child AS RESTRICTIVE FOR DELETE USING (false)",
            False,
        ),
        (
            "CREATE TRIGGER none BEFORE DELETE ON child FOR EACH ROW"
            " EXECUTE FUNCTION parcel_permanent_refuse()",
            True,
        ),
    ],
)
def test_a_cascade_in_the_database_passes_policies_and_not_triggers(
    rule: str, survives: bool
) -> None:
    run("CREATE TABLE parent (id int PRIMARY KEY)")
    run("CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE)")
    run("INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1)")
    run(rule)
    if survives:
        with as_guest(), refused():
            run("DELETE FROM parent")
    else:
        with as_guest():
            run("DELETE FROM parent")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM child")
        assert cursor.fetchone() == (1 if survives else 0,)


def test_an_upsert_is_asked_for_the_insert_and_for_the_update(permanent: Any) -> None:
    upsert = (
        "INSERT INTO rows_parcel (id, title) VALUES (1, 'a')"
        " ON CONFLICT (id) DO UPDATE SET title = 'b'"
    )
    with as_guest(), refused():
        run(upsert)
    with as_user(permanent):
        run(upsert)
        run(upsert)
    assert Parcel.objects.get().title == "b"


def test_other_errors_of_the_database_stay_what_they_are(permanent: Any) -> None:
    with as_user(permanent):
        Notice.objects.create(pk=1, title="a")
        with pytest.raises(IntegrityError), transaction.atomic():
            Notice.objects.create(pk=1, title="a")
