"""What the page after the question says, in the words of anonauth or of the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.messages import get_messages

from tests.contrib.allauth.people import PASSWORD, Guest, account
from tests.testapp.models import Note

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db
OFFER = "/auth/merge/offer/"


def log_in(guest: Guest, user: Any) -> Any:
    answer = guest.post("/accounts/login/", login=user.email, password=PASSWORD)
    assert answer.status_code == 302, answer.context["form"].errors
    return answer


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("merge", "Your things came along."),
        ("decline", "Your things stayed behind."),
        ("return", "You go on without an account, with your things."),
    ],
)
def test_the_next_page_says_what_became_of_the_things(
    action: str, message: str, guest: Guest
) -> None:
    user = account()
    log_in(guest, user)
    assert said(guest.get(OFFER)) == ["Successfully signed in as ann."]
    answer = guest.post(OFFER, account=user.pk, action=action)
    assert said(answer) == [message]
    assert str(Note.objects.get().owner_id) == (str(user.pk) if action == "merge" else guest.id)


def test_whoever_is_merged_without_a_question_is_told_too(guest: Guest, settings: Settings) -> None:
    settings.ANONAUTH_MERGE_ON_LOGIN = "always"
    user = account()
    assert "Your things came along." in said(log_in(guest, user))
    assert Note.objects.get().owner == user


def test_a_project_words_it_with_the_numbers_of_the_report(
    guest: Guest, settings: Settings, tmp_path: Path
) -> None:
    words = tmp_path / "anonauth" / "messages"
    words.mkdir(parents=True)
    (words / "merged.txt").write_text(
        "{% for relation in report.relations %}{{ relation.moved }} {{ relation.label }}{% endfor %}"
    )
    (words / "left_behind.txt").write_text("")
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]

    user = account()
    log_in(guest, user)
    guest.get(OFFER)
    assert said(guest.post(OFFER, account=user.pk, action="merge")) == ["1 notes"]

    other = Guest()
    log_in(other, user)
    other.get(OFFER)
    assert said(other.post(OFFER, account=user.pk, action="decline")) == []
