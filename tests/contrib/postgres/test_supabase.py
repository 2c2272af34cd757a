"""The policies that Supabase prints for anonymous users, word for word, through the ORM and through raw SQL.

From https://supabase.com/blog/anonymous-sign-ins and https://supabase.com/docs/guides/auth/auth-anonymous; what is
beside them there (row security is on, the role ``authenticated`` exists) is made by the operations for migrations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.migrations.state import ProjectState
from django.utils import timezone

from anonauth.contrib.postgres.identity import as_service, as_user, as_visitor
from anonauth.contrib.postgres.operations import CreateAuthenticatedRole, CreateAuthFunctions
from anonauth.contrib.postgres.testing import policies_hold, refused
from tests.contrib.postgres.models import CartItem, NewsItem, Post
from tests.contrib.postgres.people import User, person

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("supabase")]

Block = Callable[[], AbstractContextManager[None]]

ONLY_PERMANENT = """
create policy "Only permanent users can create posts"
on public.posts
for insert
to authenticated -- Note: user is still authenticated
with check (
  (select auth.jwt() ->> 'is_anonymous')::boolean is false
);
"""
TODAY = """
create policy "Limit access to anonymous users"
on public.posts
for select
to authenticated -- Note: user is still authenticated
using (
  case
    when (select (auth.jwt() ->> 'is_anonymous'))::boolean is true
      then (created_at >= current_date)
    else
      true
  end
);
"""
NEWS = """
create policy "Only permanent users can post to the news feed"
on news_feed as restrictive for insert
to authenticated
with check ((select (auth.jwt()->>'is_anonymous')::boolean) is false );

create policy "Anonymous and permanent users can view the news feed"
on news_feed for select
to authenticated
using ( true );
"""
CART = """
create policy "Everybody has a cart of his own"
on cart_items for all
to authenticated
using ( auth.uid() = user_id ) -- no subquery: PostgreSQL would call the one below a recursion
with check ( auth.uid() = user_id );

create policy "Anonymous users have at most 10 items in the cart"
on cart_items as restrictive for insert
to authenticated
with check (
  case
    when (select (auth.jwt()->>'is_anonymous')::boolean) is true
      then (select count(*) from cart_items where user_id = (select auth.uid())) < 10
    else
      true
  end
);
"""


@pytest.fixture
def supabase(db: None, project_role: str, settings: Any) -> None:
    """Be a project whose migrations have run our operations; all of it is undone with the test's transaction."""
    settings.ANONAUTH_ROW_SECURITY_READS = True
    state = ProjectState()
    with connection.schema_editor(atomic=False) as editor:
        for operation in (CreateAuthFunctions(), CreateAuthenticatedRole()):
            operation.database_forwards("rows", editor, state, state)
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT authenticated TO {project_role}")
        for table in ("posts", "news_feed", "cart_items"):
            cursor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            cursor.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        cursor.execute(f"SET LOCAL ROLE {project_role}")


@pytest.fixture
def people() -> dict[str, Any]:
    return {"guest": person("guest").user, "permanent": User.objects.create_user("permanent")}


@pytest.fixture
def speakers(people: dict[str, Any]) -> dict[str, Block]:
    blocks: dict[str, Block] = {"visitor": as_visitor}
    for kind, user in people.items():
        blocks[kind] = lambda user=user: as_user(user)  # type: ignore[misc]
    return blocks


def run(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


def rows(query: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return [row[0] for row in cursor.fetchall()]


@contextmanager
def unsecured(table: str) -> Iterator[None]:
    """Let the block write while row security is off, as an owner may."""
    run(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    yield
    run(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


def insert_post(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO posts (name, created_at) VALUES (%s, now())", [name])


@pytest.mark.parametrize("kind", ["visitor", "guest", "permanent"])
def test_only_permanent_users_create_posts(kind: str, speakers: dict[str, Block]) -> None:
    run(ONLY_PERMANENT)
    # The ORM asks for the key of the new row, and so for a policy that lets him read it.
    run("create policy reading on posts for select to authenticated using (true)")
    ways: tuple[Callable[[], object], ...] = (
        lambda: Post.objects.create(name="orm"),
        lambda: Post.objects.bulk_create([Post(name="bulk")]),
        lambda: insert_post("raw"),
    )
    for way in ways:
        with speakers[kind]():
            if kind == "permanent":
                way()
            else:
                with refused():
                    way()
    with as_service():
        names = sorted(Post.objects.values_list("name", flat=True))
    assert names == (["bulk", "orm", "raw"] if kind == "permanent" else [])


@pytest.mark.parametrize(
    ("kind", "seen"),
    [("visitor", ["old", "today"]), ("guest", ["today"]), ("permanent", ["old", "today"])],
)
def test_guests_read_the_posts_of_today_and_permanent_users_all(
    kind: str, seen: list[str], speakers: dict[str, Block]
) -> None:
    """As printed, the policy lets visitors read everything: there, they are another role of the database."""
    with unsecured("posts"):
        Post.objects.create(name="today")
        Post.objects.create(name="old", created_at=timezone.now() - timedelta(days=2))
    run(TODAY)
    with speakers[kind]():
        assert sorted(Post.objects.values_list("name", flat=True)) == seen
        assert rows("SELECT name FROM posts ORDER BY name") == seen
        assert rows("SELECT count(*) FROM posts WHERE name = %s", "old") == [seen.count("old")]


@pytest.mark.parametrize("kind", ["visitor", "guest", "permanent"])
def test_the_restrictive_and_the_permissive_policy_together(
    kind: str, speakers: dict[str, Block]
) -> None:
    """A restrictive policy alone lets nobody write; beside it a permissive one has to allow it."""
    run(NEWS)
    with speakers["permanent"](), refused():
        NewsItem.objects.create(content="before anything allows it")
    run("create policy writing on news_feed for insert to authenticated with check (true)")
    with unsecured("news_feed"):
        NewsItem.objects.create(content="seen")
    ways: tuple[Callable[[], object], ...] = (
        lambda: NewsItem.objects.create(content="orm"),
        lambda: run("INSERT INTO news_feed (content) VALUES ('raw')"),
    )
    with speakers[kind]():
        for way in ways:
            if kind == "permanent":
                way()
            else:
                with refused():
                    way()
        expected = ["orm", "raw", "seen"] if kind == "permanent" else ["seen"]
        assert rows("SELECT content FROM news_feed ORDER BY content") == expected
        assert sorted(NewsItem.objects.values_list("content", flat=True)) == expected


@pytest.mark.parametrize("way", ["orm", "raw"])
def test_a_guest_has_at_most_ten_items_in_the_cart(
    way: str, people: dict[str, Any], speakers: dict[str, Block]
) -> None:
    run(CART)

    def add(user: Any) -> None:
        if way == "orm":
            CartItem.objects.create(user=user, product="kite")
        else:
            query = "INSERT INTO cart_items (user_id, product) VALUES (%s, 'kite') RETURNING id"
            assert rows(query, user.pk)

    for kind, user in people.items():
        with speakers[kind]():
            for _ in range(10):
                add(user)
            if kind == "guest":
                with refused():
                    add(user)
            else:
                add(user)
            assert CartItem.objects.count() == (10 if kind == "guest" else 11)
    with speakers["visitor"]():
        with refused():
            add(people["permanent"])
        assert not CartItem.objects.exists()
    with speakers["guest"](), refused():
        add(people["permanent"])


def test_a_policy_that_counts_does_not_see_the_rows_of_its_own_statement(
    people: dict[str, Any], speakers: dict[str, Block]
) -> None:
    """A limit of PostgreSQL's that the documentation names: count in the application as well."""
    run(CART)
    items = [CartItem(user=people["guest"], product=str(number)) for number in range(12)]
    with speakers["guest"]():
        CartItem.objects.bulk_create(items)
        assert CartItem.objects.count() == 12
        with refused():
            CartItem.objects.create(user=people["guest"], product="one more")


def test_the_functions_answer_for_each_speaker(
    people: dict[str, Any], speakers: dict[str, Block]
) -> None:
    query = "SELECT auth.uid(), auth.role(), auth.jwt() ->> 'is_anonymous'"

    def answers(block: Block) -> Any:
        with block(), connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()

    assert answers(speakers["visitor"]) == (None, "anon", None)
    assert answers(speakers["guest"]) == (people["guest"].pk, "authenticated", "true")
    assert answers(speakers["permanent"]) == (people["permanent"].pk, "authenticated", "false")
    assert answers(as_service) == (None, "service_role", None)


def test_a_superuser_is_refused_nothing_so_these_tests_need_another_role(
    speakers: dict[str, Block],
) -> None:
    """The control: the same policy and the same guest, and a role that no policy holds for."""
    run(ONLY_PERMANENT)
    with speakers["guest"](), refused():
        insert_post("refused")
    run("RESET ROLE")
    if policies_hold():
        pytest.skip("the tests' own role is no superuser here")
    with speakers["guest"](), transaction.atomic():
        insert_post("accepted")


def test_an_owner_is_refused_nothing_unless_it_is_forced(speakers: dict[str, Block]) -> None:
    run(ONLY_PERMANENT)
    run("ALTER TABLE posts NO FORCE ROW LEVEL SECURITY")
    with speakers["guest"]():
        insert_post("accepted")
    run("ALTER TABLE posts FORCE ROW LEVEL SECURITY")
    with speakers["guest"](), refused():
        insert_post("refused")
