"""The page that asks a guest, who has logged in to an account, whether his things shall come along."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from anonauth.adapter import Adapter
from anonauth.exceptions import MergeConflict
from anonauth.merge_rules import MergeRule
from anonauth.models import MergeRecord
from tests.contrib.allauth.people import PASSWORD, Guest, Person, account
from tests.contrib.allauth.test_merge_offer import assert_merged, assert_waiting, by_password, press
from tests.parties import CART, cart_of, put_into_cart
from tests.testapp.models import Note

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
User = get_user_model()
PAGE = "/auth/merge/offer/"


class RulelessAdapter(Adapter):
    """Leaves it open what becomes of two cart items of one product."""

    def merge_rules(self) -> list[MergeRule]:
        return [MergeRule(CART)]


@pytest.fixture
def ann() -> Any:
    ann = account(uid=5)
    put_into_cart(ann, p1=2, p2=1)
    return ann


@pytest.fixture
def asked(guest: Guest, ann: Any) -> Guest:
    """A guest who has logged in and has not answered yet."""
    put_into_cart(guest.row, p1=3, p7=4)
    by_password(guest)
    return guest


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def radios(answer: Any) -> list[tuple[str, str, bool]]:
    """Return name, value and whether it is chosen, of each radio button."""
    found = re.findall(r"<input[^>]*type=\"radio\"[^>]*>", answer.content.decode(), re.DOTALL)
    return [
        (
            re.findall(r'name="([^"]*)"', tag)[0],
            re.findall(r'value="([^"]*)"', tag)[0],
            bool(re.search(r"\bchecked\b", tag)),
        )
        for tag in found
    ]


# --- what it shows


def test_it_shows_the_account_and_what_would_move(asked: Guest) -> None:
    text = text_of(asked.get(PAGE))

    assert "ann@example.com" in text
    assert "cart items: 2 here, 2 in the account" in text
    assert "notes: 1 here, 0 in the account" in text


def test_it_offers_the_choices_of_the_rules_and_no_others(asked: Guest) -> None:
    answer = asked.get(PAGE)

    assert radios(answer) == [
        (CART, "keep_existing", False),
        (CART, "keep_anonymous", False),
        (CART, "combine", True),
    ]
    labels = re.findall(r"<label for=\"[^\"]+\">\s*(.*?)\s*</label>", answer.content.decode())
    assert labels == ["Only what is in the account", "Only what I have here", "Both together"]
    ids = re.findall(r'id="(id_[^"]*)"', answer.content.decode())
    assert len(set(ids)) == 3


def test_it_asks_nothing_about_what_only_the_guest_has(guest: Guest) -> None:
    ann = account()
    put_into_cart(guest.row, p1=3)
    by_password(guest)

    answer = guest.get(PAGE)

    assert "cart items: 1 here, 0 in the account" in text_of(answer)
    assert radios(answer) == []
    press(guest, ann, "merge")
    assert cart_of(ann) == {1: 3}


def test_a_template_of_the_project_reads_what_the_context_has(
    asked: Guest, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "anonauth").mkdir()
    (tmp_path / "anonauth" / "merge.html").write_text(
        "{{ signed_in }}{% for relation, field in rows %}|{{ relation.name }} {{ field.value }}{% endfor %}"
    )
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]

    signed_in, *rows = asked.get(PAGE).content.decode().split("|")

    assert signed_in == "You are signed in to the account ann (ann@example.com)."
    assert rows == [f"{CART} combine", "testapp.Note.owner "]


def test_it_speaks_the_language_of_the_request(asked: Guest) -> None:
    with override("de"):
        text = text_of(asked.get(PAGE))

    assert "Sie sind bei dem Konto ann (ann@example.com) angemeldet." in text
    assert "cart items: 2 hier, 2 im Konto" in text


def test_an_account_without_an_address_is_shown_by_its_name(asked: Guest, ann: Any) -> None:
    User.objects.filter(pk=ann.pk).update(email="")
    EmailAddress.objects.filter(user=ann).delete()

    assert "You are signed in to the account ann. Before" in text_of(asked.get(PAGE))


def test_names_cannot_smuggle_markup_into_it(asked: Guest, ann: Any) -> None:
    User.objects.filter(pk=ann.pk).update(username="<b>x", email="<i>@example.com")

    assert b"<b>x" not in asked.get(PAGE).content
    assert b"<i>@" not in asked.get(PAGE).content


def test_looking_at_it_changes_nothing(asked: Guest, ann: Any) -> None:
    with CaptureQueriesContext(connection) as queries:
        for _ in range(3):
            assert asked.get(f"{PAGE}?action=merge&account={ann.pk}").status_code == 200
            assert asked.http.head(f"{PAGE}?action=merge").status_code == 200

    assert [q["sql"] for q in queries if re.match("INSERT|UPDATE|DELETE", q["sql"])] == []
    assert_waiting(asked, ann)


def test_it_is_kept_by_no_cache_and_shown_in_no_frame(asked: Guest) -> None:
    for answer in (asked.get(PAGE), Client().get(PAGE)):
        assert {"private", "no-store"} <= set(answer["Cache-Control"].split(", "))
        assert answer["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_it_knows_no_other_methods(asked: Guest, ann: Any, method: str) -> None:
    assert getattr(asked.http, method)(PAGE).status_code == 405
    assert_waiting(asked, ann)


# --- the answers


@pytest.mark.parametrize(
    ("choice", "cart"),
    [
        ("combine", {1: 5, 2: 1, 7: 4}),
        ("keep_existing", {1: 2, 2: 1}),
        ("keep_anonymous", {1: 3, 7: 4}),
    ],
)
def test_what_was_chosen_is_done(asked: Guest, ann: Any, choice: str, cart: dict[int, int]) -> None:
    assert press(asked, ann, "merge", **{CART: choice})["Location"] == "/"

    assert cart_of(ann) == cart
    assert_merged(asked, ann)


def test_what_was_chosen_stays_chosen_when_the_person_is_asked_again(
    asked: Guest, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**facts: Any) -> None:
        raise MergeConflict

    monkeypatch.setattr("anonauth.contrib.allauth.views.merge.merge", refuse)

    answer = press(asked, ann, "merge", **{CART: "keep_anonymous"})

    assert answer.status_code == 409
    assert [choice for _, choice, chosen in radios(answer) if chosen] == ["keep_anonymous"]


def test_what_was_not_offered_cannot_be_chosen(asked: Guest, ann: Any) -> None:
    answer = press(asked, ann, "merge", **{CART: "burn"})

    assert answer.status_code == 200
    assert_waiting(asked, ann)
    press(asked, ann, "merge", **{"testapp.Note.owner": "keep_existing"})
    assert_merged(asked, ann)


def test_a_double_click_merges_once_and_goes_on(asked: Guest, ann: Any) -> None:
    first, second = (press(asked, ann, "merge") for _ in range(2))

    assert (first["Location"], second["Location"]) == ("/", "/")
    assert MergeRecord.objects.count() == 1


@pytest.mark.parametrize("action", ["", "burn", "MERGE"])
def test_another_answer_is_none(asked: Guest, ann: Any, action: str) -> None:
    assert press(asked, ann, action).status_code == 200
    assert_waiting(asked, ann)


def test_a_conflict_is_told_and_the_person_can_still_decide(
    asked: Guest, ann: Any, settings: Settings
) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.RulelessAdapter"

    answer = press(asked, ann, "merge")

    assert answer.status_code == 409
    assert radios(answer) == []  # this rule leaves no choice
    assert "Some of the data cannot be joined; nothing was changed." in text_of(answer)
    assert_waiting(asked, ann)
    assert cart_of(ann) == {1: 2, 2: 1}
    settings.ANONAUTH_ADAPTER = "anonauth.adapter.Adapter"
    press(asked, ann, "merge")
    assert_merged(asked, ann)


def test_it_leads_on_where_nothing_waits(visitor: Person, ann: Any) -> None:
    by_password(visitor)

    assert visitor.get(f"{PAGE}?next=/there/")["Location"] == "/there/"
    assert visitor.post(PAGE, action="merge")["Location"] == "/"


def test_a_visitor_and_a_guest_are_sent_to_the_login(visitor: Person, guest: Guest) -> None:
    for person in (visitor, guest):
        for answer in (person.get(PAGE), person.post(PAGE, action="merge")):
            assert answer["Location"] == "/accounts/login/?next=/auth/merge/offer/"
    assert guest.is_still_a_guest


# --- attacks


def test_a_link_that_logs_a_guest_in_to_a_stranger_s_account_costs_him_nothing(
    guest: Guest,
) -> None:
    """Login CSRF: the attacker's account at a provider, and the guest's browser finishes the login."""
    attacker = account("attacker@example.com", uid=666)

    answer = guest.dummy("login", 666)

    page = guest.get(answer["Location"])
    assert "attacker@example.com" in text_of(page)
    assert Note.objects.get().owner == guest.row
    assert not MergeRecord.objects.exists()

    press(guest, attacker, "return")

    assert guest.is_still_a_guest
    assert Note.objects.get().owner == guest.row
    assert guest.get(PAGE)["Location"] == "/accounts/login/?next=/auth/merge/offer/"


def test_who_goes_back_leaves_nothing_of_the_account_in_his_session(asked: Guest, ann: Any) -> None:
    session = asked.http.session
    session["secret"] = "the account's"
    session.save()

    press(asked, ann, "return")

    assert asked.is_still_a_guest
    assert "secret" not in asked.http.session
    assert asked.http.session.session_key != session.session_key
    by_password(asked)
    assert_waiting(asked, ann)


@pytest.mark.parametrize("action", ["merge", "decline", "return"])
def test_another_site_cannot_answer_for_the_person(guest: Guest, ann: Any, action: str) -> None:
    by_password(guest)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = guest.http.cookies
    body = {"account": str(ann.pk), "action": action}

    assert strict.post(PAGE, body).status_code == 403

    assert_waiting(guest, ann)
    token = re.findall(
        r'name="csrfmiddlewaretoken" value="(\w+)"', strict.get(PAGE).content.decode()
    )
    assert strict.post(PAGE, {**body, "csrfmiddlewaretoken": token[0]}).status_code == 302


def test_the_csrf_check_does_not_depend_on_the_middleware(
    guest: Guest, ann: Any, settings: Settings
) -> None:
    by_password(guest)
    csrf = "django.middleware.csrf.CsrfViewMiddleware"
    settings.MIDDLEWARE = [entry for entry in settings.MIDDLEWARE if entry != csrf]
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = guest.http.cookies

    assert strict.post(PAGE, {"account": str(ann.pk), "action": "merge"}).status_code == 403
    assert_waiting(guest, ann)


def test_a_page_that_showed_another_account_is_shown_anew(asked: Guest, ann: Any) -> None:
    bob = account("bob@example.com")

    for action in ("merge", "decline", "return"):
        answer = press(asked, bob, action)
        assert answer.status_code == 200
        assert "ann@example.com" in text_of(answer)
        assert [choice for _, choice, chosen in radios(answer) if chosen] == ["combine"]
    assert_waiting(asked, ann)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "http:///x",
    ],
)
def test_the_way_on_leads_to_no_other_site(asked: Guest, ann: Any, elsewhere: str) -> None:
    assert "evil" not in asked.http.get(PAGE, {"next": elsewhere}).content.decode()
    assert "alert" not in asked.http.get(PAGE, {"next": elsewhere}).content.decode()
    assert press(asked, ann, "decline", next=elsewhere)["Location"] == "/"
    assert asked.http.get(PAGE, {"next": elsewhere})["Location"] == "/"


@pytest.mark.parametrize(
    ("odd", "location"),
    [("there", "there"), ("?a", "?a"), ("é", "%C3%A9"), ("http://[", "/")],  # no names of views
)
def test_an_odd_way_on_is_no_error(asked: Guest, ann: Any, odd: str, location: str) -> None:
    assert asked.http.get(PAGE, {"next": odd}).status_code == 200
    assert press(asked, ann, "decline", next=odd)["Location"] == location
    assert asked.http.get(PAGE, {"next": odd})["Location"] == location


def test_nothing_that_a_client_sends_names_the_guest(asked: Guest, ann: Any) -> None:
    victim = Guest()

    press(asked, ann, "merge", guest_id=victim.id, user=victim.id)

    assert victim.is_still_a_guest
    assert Note.objects.filter(owner=victim.row).exists()
    assert not User.objects.filter(pk=asked.id).exists()


def test_the_guest_of_one_session_is_not_offered_in_another(asked: Guest, ann: Any) -> None:
    elsewhere = Person()
    by_password(elsewhere)

    assert press(elsewhere, ann, "merge").status_code == 302
    assert "merge_offer" not in elsewhere.get("/auth/user/").json()
    assert_waiting(asked, ann)


def test_an_account_that_was_banned_after_the_login_takes_nothing(asked: Guest, ann: Any) -> None:
    User.objects.filter(pk=ann.pk).update(is_active=False)

    assert press(asked, ann, "merge").status_code == 302

    assert asked.row.is_guest
    assert not MergeRecord.objects.exists()


def test_a_password_of_the_account_that_is_changed_elsewhere_ends_the_offer(
    asked: Guest, ann: Any
) -> None:
    ann.set_password("Other!pw77")
    ann.save()

    assert press(asked, ann, "merge").status_code == 302

    assert asked.here is None
    assert asked.row.is_guest
    assert not ann.check_password(PASSWORD)
