"""The page of statistics: who may see it, and that it says what the numbers say."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone, translation

from anonauth.admin.charts import chart, nice_top, share
from anonauth.models import DailyTally, day_of
from anonauth.tally import count_departed, count_upgraded
from tests.admin.conftest import USERS, StaffMaker

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

PAGE = "/admin/anonauth/dailytally/"
User: Any = get_user_model()


@pytest.fixture
def life(guest: Any) -> None:
    now = timezone.now()
    for days, method in ((0, "email"), (0, "social"), (1, "email"), (2, "carrier pigeon")):
        at = now - timedelta(days=days)
        count_upgraded(method, at=at, since=at - timedelta(days=1))
    count_departed("purged", [day_of(now - timedelta(days=40))])
    DailyTally.objects.add("refused", "<script>alert(1)</script>", number=3)


@pytest.mark.django_db
@pytest.mark.usefixtures("life")
def test_charts_legend_cards_and_table_have_the_numbers(boss: Client) -> None:
    page = boss.get(PAGE, {"days": "7"})

    text = page.content.decode()
    assert page.status_code == 200
    assert text.count('preserveAspectRatio="none" role="img"') == 5
    assert '<li class="s1">E-mail <b>2</b></li>' in text
    assert '<li class="s7">carrier pigeon <b>1</b></li>' in text
    today = re.search(r"<title>([^<]*E-mail 1, Social account 1[^<]*)</title>", text)
    assert today is not None
    assert 'aria-label="Upgraded, by method: E-mail 2, Social account 1, carrier pigeon 1"' in text
    assert re.search(r"<dt>Upgraded</dt><dd>4</dd>", text)
    assert len(re.findall(r"<tr><th scope=\"row\">", text)) == 1 + 13 + 7


@pytest.mark.django_db
@pytest.mark.usefixtures("life")
def test_what_a_projects_code_says_is_no_markup(boss: Client) -> None:
    text = boss.get(PAGE).content.decode()

    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text


@pytest.mark.django_db
@pytest.mark.usefixtures("life")
def test_a_strict_content_security_policy_finds_nothing_inline(boss: Client) -> None:
    text = boss.get(PAGE).content.decode()

    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", text)
    for script in re.findall(r"<script[^>]*>", text):
        assert " src=" in script or 'type="application/json"' in script
    assert not re.search(r'(src|href)="(https?:)?//', text)


@pytest.mark.django_db
def test_where_nothing_happened_it_says_so(boss: Client) -> None:
    text = boss.get(PAGE).content.decode()

    assert text.count("Nothing in these days.") == 6
    assert "nan" not in text.lower().replace("nanonauth", "")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("days", "shown"), [("7", 7), ("90", 90), ("", 30), ("31", 30), ("x", 30), ("-7", 30)]
)
def test_a_range_that_is_not_offered_is_that_of_thirty_days(
    days: str, shown: int, boss: Client
) -> None:
    page = boss.get(PAGE, {"days": days})

    assert len(page.context["days"]) == shown


@pytest.mark.django_db
@pytest.mark.usefixtures("life")
def test_coordinates_are_the_same_in_a_language_with_decimal_commas(boss: Client) -> None:
    with translation.override("de"):
        text = boss.get(PAGE, headers={"accept-language": "de"}).content.decode()

    assert 'lang="de"' in text
    shapes = "".join(re.findall(r"<rect[^>]*>", text))
    numbers = re.findall(r'\b(?:x|y|width|height)="([^"]*)"', shapes)
    assert "25.00" in numbers or "50.00" in numbers
    assert all(re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) for number in numbers)


@pytest.mark.django_db
def test_the_page_costs_the_same_statements_for_any_number_of_days(
    boss: Client, guest: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for days in (7, 90):
        # Session and user, the numbers, and of the median one more where somebody was upgraded.
        with django_assert_num_queries(2 + 5):
            boss.get(PAGE, {"days": days})


@pytest.mark.django_db
@pytest.mark.parametrize("permissions", [[], ["view_user", "change_user", "delete_user"]])
def test_staff_without_the_permission_sees_neither_the_page_nor_a_link(
    permissions: list[str], staff: StaffMaker
) -> None:
    client = staff(*permissions)

    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()
    if permissions:
        assert PAGE not in client.get(USERS).content.decode()


@pytest.mark.django_db
def test_staff_with_that_permission_alone_sees_the_page_and_no_user(staff: StaffMaker) -> None:
    client = staff("view_dailytally")

    assert client.get(PAGE).status_code == 200
    assert PAGE in client.get("/admin/").content.decode()
    assert client.get(USERS).status_code == 403


@pytest.mark.django_db
def test_the_list_of_users_leads_to_it(boss: Client) -> None:
    assert f'<a href="{PAGE}">Statistics</a>' in boss.get(USERS).content.decode()


@pytest.mark.django_db
def test_tallies_cannot_be_written(boss: Client) -> None:
    DailyTally.objects.add("purged")
    row = DailyTally.objects.get()

    assert boss.get(f"{PAGE}add/").status_code == 403
    assert boss.post(f"{PAGE}{row.pk}/change/", {"count": 5}).status_code == 403
    assert boss.post(f"{PAGE}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert DailyTally.objects.get().count == 1


@pytest.mark.parametrize(
    ("number", "top"),
    [(0, 1), (1, 1), (2, 2), (3, 4), (5, 6), (7, 10), (11, 20), (61, 100), (999_999, 1_000_000)],
)
def test_the_scale_ends_at_a_round_number_that_is_not_below(number: int, top: int) -> None:
    assert nice_top(number) == top


def test_the_pieces_of_a_bar_stand_on_each_other_and_fill_it() -> None:
    today = timezone.now().date()
    drawn = chart("Upgraded", [today], {"a": ("s1", [3]), "b": ("s2", [0]), "c": ("s3", [1])})

    (bar,) = drawn.bars
    assert [(piece.css, piece.y, piece.height) for piece in bar.segments] == [
        ("s1", "25.00", "75.00"),
        ("s3", "0.00", "25.00"),
    ]
    assert bar.title.endswith(": a 3, b 0, c 1")
    assert drawn.ticks == (4, 2, 0)


def test_a_share_of_nothing_is_nothing() -> None:
    assert (share(0, 0), share(1, 4)) == ("0", "25.00")
