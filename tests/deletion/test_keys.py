"""How a column is compared with many keys, and what the planner of PostgreSQL makes of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import connection, models
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext, isolate_apps

from anonauth.deletion import delete_rows
from anonauth.deletion.keys import Keys, among, leads_index
from anonauth.deletion.leaves import Leaves, delete_leaves
from tests.relations.models import Label, Leaf, Remark, Root, Twin


@isolate_apps("tests.relations")
def test_only_a_column_with_which_a_whole_index_begins_leads_one() -> None:
    class Thing(models.Model):  # noqa: DJ008
        key = models.UUIDField(primary_key=True)
        single = models.IntegerField(unique=True)
        indexed = models.IntegerField(db_index=True)
        owner = models.ForeignKey(Root, models.CASCADE)
        bare_owner = models.ForeignKey(Root, models.CASCADE, db_index=False, related_name="+")
        together = models.IntegerField()
        second = models.IntegerField()
        constrained = models.IntegerField()
        first = models.IntegerField()
        partly = models.IntegerField()
        partly_unique = models.IntegerField()

        class Meta:
            app_label = "relations"
            unique_together = [("together", "second")]
            constraints = [
                models.UniqueConstraint(fields=["constrained", "second"], name="whole"),
                models.UniqueConstraint(
                    fields=["partly_unique"], name="part", condition=models.Q(second=1)
                ),
            ]
            indexes = [
                models.Index(fields=["first", "second"], name="index"),
                models.Index(fields=["partly"], name="partial", condition=models.Q(second=1)),
            ]

    class Foreign(models.Model):  # noqa: DJ008
        owner = models.ForeignKey(Root, models.CASCADE)

        class Meta:
            app_label = "relations"
            managed = False

    leading = {field.name for field in Thing._meta.fields if leads_index(field)}
    assert leading == {
        "key", "single", "indexed", "owner", "together", "constrained", "first"
    }  # fmt: skip
    # Of a table that Django has not made, nobody knows.
    assert not leads_index(Foreign._meta.get_field("owner"))


@pytest.mark.django_db
def test_keys_of_every_kind_find_their_rows() -> None:
    made = [Root.objects.create(code=code) for code in ("a", 'b", {c}', "d\\")]
    leaves = [Leaf.objects.create(root=root) for root in made]
    codes, numbers = Keys(root.code for root in made[1:]), Keys(root.pk for root in made[:2])
    assert list(Root.objects.filter(among(["code"], codes)).order_by("pk")) == made[1:]
    assert list(Leaf.objects.filter(among(["root_id"], numbers)).order_by("pk")) == leaves[:2]
    assert not Leaf.objects.filter(among(["root_id"], Keys([]))).exists()


def test_keys_are_written_for_postgresql_once() -> None:
    numbers, field = Keys([1, 2]), Leaf._meta.get_field("root")
    assert numbers.array(field, connection) == "{1,2}"
    assert numbers.array(field, connection) is numbers.array(Root._meta.pk, connection)
    uuid = models.UUIDField()
    keys = [UUID(int=1), UUID(int=2)]
    prepared = Keys(keys).array(uuid, connection)
    if connection.features.has_native_uuid_field:
        assert prepared == f"{{{keys[0].hex},{keys[1].hex}}}"


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_batch_does_not_read_the_whole_of_a_table_of_some_thousands() -> None:
    Root.objects.bulk_create(Root() for _ in range(20_000))
    keys = list(Root.objects.order_by("?").values_list("pk", flat=True)[:1000])
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO relations_leaf (root_id) SELECT id FROM relations_root")
        cursor.execute("ANALYZE relations_leaf")
    rows = Leaf.objects.filter(among(["root_id"], Keys(keys)))
    assert rows.count() == 1000
    assert "Seq Scan" not in rows.explain()
    # What the planner does if it sees that there are many.
    assert "Seq Scan" in Leaf.objects.filter(root_id__in=keys).explain()


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_table_without_an_index_is_read_once_and_not_once_for_each_key() -> None:
    rows = Leaf.objects.filter(among(["id"], Keys([1, 2])))
    assert "= ANY((SELECT %s::bigint[])::bigint[])" in rows.query.sql_with_params()[0]
    # Only a constant is hashed: with a subquery each row would be compared with a thousand keys.
    remarks = Remark.objects.filter(among(["object_id"], Keys([1, 2])))
    sql, parameters = remarks.query.sql_with_params()
    assert "= ANY(%s::integer[])" in sql
    assert parameters == ("{1,2}",)


@pytest.mark.django_db
def test_tables_that_hang_off_the_same_rows_are_emptied_by_one_statement() -> None:
    one, other = Root.objects.create(), Root.objects.create()
    for root in (one, one, other):
        Leaf.objects.create(root=root)
    Twin.objects.create(one=one, other=one)
    Twin.objects.create(one=other, other=one)
    Twin.objects.create(one=other, other=other)
    one.labels.add(Label.objects.create())

    with CaptureQueriesContext(connection) as statements:
        deleted = delete_rows(Root.objects.filter(pk=one.pk))

    assert (deleted["relations.Leaf"], deleted["relations.Twin"]) == (2, 2)
    assert deleted["relations.Root_labels"] == 1
    assert Leaf.objects.get().root == other
    assert Twin.objects.get().other == other
    tables = [s["sql"] for s in statements if 'DELETE FROM "relations_leaf"' in s["sql"]]
    assert len(tables) == 1
    together = connection.vendor == "postgresql"
    assert ('DELETE FROM "relations_twin"' in tables[0]) is together
    assert ("WITH anonauth_keys" in tables[0]) is together
    assert not together or tables[0].count(f"{{{one.pk}}}") == 1  # the keys are sent once


@pytest.mark.django_db
def test_what_a_manager_hides_altogether_stays_and_does_not_stop_the_others() -> None:
    root = Root.objects.create()
    Leaf.objects.create(root=root)
    keys, column = Keys([root.pk]), Leaf._meta.get_field("root")
    found = [
        Leaves(rows, keys, column)
        for rows in (Twin.objects.none(), Leaf.objects.filter(among(["root_id"], keys)))
    ]
    assert +delete_leaves(found, "default") == {"relations.Leaf": 1}
    assert +delete_leaves(found[:1], "default") == {}


#: What a project may have done to a table, so that it cannot be emptied by one statement together with others.
MEDDLING = {
    "changes rows of another": """
        CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE relations_twin SET other_id = NULL WHERE one_id = OLD.root_id; RETURN OLD;
        END $$;
        CREATE TRIGGER meddle BEFORE DELETE ON relations_leaf FOR EACH ROW EXECUTE FUNCTION meddle()""",
    "has a rule": """
        CREATE RULE meddle AS ON DELETE TO relations_twin
        DO ALSO UPDATE relations_twin SET other_id = NULL WHERE other_id = OLD.one_id""",
}


@pytest.mark.postgres
@pytest.mark.django_db
@pytest.mark.parametrize("what", MEDDLING)
def test_tables_that_cannot_be_emptied_together_are_emptied_one_after_the_other(what: str) -> None:
    root = Root.objects.create()
    Leaf.objects.create(root=root)
    Twin.objects.create(one=root, other=root)
    with connection.cursor() as cursor:
        cursor.execute(MEDDLING[what])

    deleted = delete_rows(Root.objects.all())

    assert (deleted["relations.Leaf"], deleted["relations.Twin"]) == (1, 1)
    assert not Root.objects.exists()


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="its collation, by which 'A' is 'a'")
@pytest.mark.parametrize("protected", [False, True])
@isolate_apps("tests.relations")
def test_what_spells_a_key_in_another_way_that_is_equal_to_the_database_is_found(
    protected: bool,
) -> None:
    class Named(models.Model):  # noqa: DJ008
        name = models.CharField(max_length=9, primary_key=True, db_collation="nocase")

        class Meta:
            app_label = "relations"

    class Below(models.Model):  # noqa: DJ008
        named = models.ForeignKey(Named, models.CASCADE)

        class Meta:
            app_label = "relations"

    class Lowest(models.Model):  # noqa: DJ008
        below = models.ForeignKey(Below, models.CASCADE)
        guarded = models.ForeignKey(Named, models.PROTECT, null=True, related_name="+")

        class Meta:
            app_label = "relations"

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE relations_named (name text COLLATE nocase PRIMARY KEY)")
        for table, columns in {
            "below": "named_id text COLLATE nocase",
            "lowest": "below_id int, guarded_id text COLLATE nocase",
        }.items():
            cursor.execute(f"CREATE TABLE relations_{table} (id integer PRIMARY KEY, {columns})")
    named, below, lowest = [QuerySet[Any](model) for model in (Named, Below, Lowest)]
    named.create(name="ann")
    lowest.create(below=below.create(named_id="Ann"), guarded_id="ANN" if protected else None)

    if protected:
        with pytest.raises(models.ProtectedError):
            delete_rows(named)
        return
    assert delete_rows(named).total() == 3
    assert not lowest.exists()


@pytest.mark.postgres
@pytest.mark.django_db
@isolate_apps("tests.relations")
def test_a_column_whose_type_names_a_collation_is_compared_by_it() -> None:
    class CodeField(models.CharField):  # type: ignore[type-arg]
        def db_type(self, connection: Any) -> str:
            return f'{super().db_type(connection)} COLLATE "C"'

    class Coded(models.Model):  # noqa: DJ008
        code = CodeField(max_length=8, primary_key=True)

        class Meta:
            app_label = "relations"

    class Above(models.Model):  # noqa: DJ008
        coded = models.ForeignKey(Coded, models.CASCADE)

        class Meta:
            app_label = "relations"

    class Beside(models.Model):  # noqa: DJ008
        coded = models.ForeignKey(Coded, models.CASCADE)

        class Meta:
            app_label = "relations"

    with connection.schema_editor() as editor:
        for model in (Coded, Above, Beside):
            editor.create_model(model)
    coded, above, beside = [QuerySet[Any](model) for model in (Coded, Above, Beside)]
    for code in ("a", "b"):
        row = coded.create(code=code)
        above.create(coded=row)
        beside.create(coded=row)

    assert delete_rows(coded.filter(code="a")).total() == 3
    assert [row.coded_id for rows in (above, beside) for row in rows.all()] == ["b", "b"]
