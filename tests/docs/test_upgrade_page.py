"""``docs/upgrade.md`` against what the endpoints really answer, and against the ways that there are."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from anonauth.contrib.allauth import adapters, receivers
from anonauth.contrib.allauth.flows import email, phone, social
from anonauth.contrib.allauth.flows.phone import NEEDED
from tests.client import Api
from tests.contrib.allauth.by_code import ADA, PASSWORD, new_guest, owner, sent_code, start, verify
from tests.docs.pages import ROOT, blocks, code, read, rows, section
from tests.docs.test_api_page import shape, shapes

if TYPE_CHECKING:
    from pytest_django import Settings

PAGE = read("upgrade")


def answers() -> list[Any]:
    """Return the shapes of the answers on the page."""
    return shapes(PAGE)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_the_documented_answers_to_an_upgrade_by_email_are_real_ones(credentials: str) -> None:
    api = new_guest(credentials=credentials)
    sent = api.post("upgrade/email/", {"email": ADA, "password": PASSWORD, "name": "Ada"})
    proved = verify(api, sent_code())

    assert [sent.status_code, proved.status_code] == [202, 200]
    assert shape(sent.json()) in answers()
    assert shape(proved.json()) in answers()


@pytest.mark.django_db(transaction=True)
def test_the_documented_conflict_is_a_real_one() -> None:
    owner()
    guest = new_guest()
    taken = verify(guest, start(guest))
    documented = next(json.loads(b) for b in blocks(section(PAGE, "Conflicts"), "json"))
    assert taken.status_code == 409
    assert shape(taken.json()) == shape(documented)
    assert {**taken.json(), "merge_ticket": ""} == {**documented, "merge_ticket": ""}


@pytest.mark.django_db
def test_the_documented_start_of_a_way_through_a_browser_is_a_real_one(settings: Settings) -> None:
    sent, started, _finish = blocks(section(PAGE, "Social, through a browser"), "json")
    body = json.loads(sent)
    settings.ANONAUTH_REDIRECT_URIS = [body["redirect_uri"]]
    answer = new_guest().post("upgrade/social/dummy/start/", body)
    assert answer.status_code == 200
    assert shape(answer.json()) == shape(json.loads(started))


@pytest.mark.django_db
def test_the_documented_guest_of_an_app_is_a_real_one(settings: Settings) -> None:
    settings.ANONAUTH_CREDENTIALS = ["jwt", "session", "headless"]
    answer = Api().post("anonymous/", {"credentials": "headless"})
    assert answer.status_code == 201
    assert shape(answer.json()) in answers()


@pytest.mark.django_db
def test_the_documented_settings_are_real_ones() -> None:
    assert shape(Api().get("settings/").json()) in answers()


def test_each_method_of_the_adapter_for_phones_is_in_the_example() -> None:
    text = section(PAGE, "Phone numbers")
    assert all(f"def {name}(self" in text for name in NEEDED)


def test_each_method_that_the_signal_names_is_documented() -> None:
    in_code = {email.METHOD, phone.METHOD, social.METHOD, *adapters.METHODS.values(), "password"}
    for module in (adapters, receivers):
        source = (ROOT / (module.__name__.replace(".", "/") + ".py")).read_text("utf-8")
        in_code |= set(re.findall(r'method="(\w+)"', source))
    listed = section(PAGE, "Signals").partition("`method` (")[2].partition(")")[0]
    assert {code(name) for name in listed.replace("\n", " ").split(", ")} == in_code


def test_each_code_on_the_page_is_one_of_the_api() -> None:
    known = {code(row[0]) for row in rows(read("api")) if row[0].startswith("`")}
    named = re.findall(r"^\| \d{3} ((?:`\w+`(?:, )?)+)", PAGE, re.MULTILINE)
    codes = {code(name) for cell in named for name in cell.split(", ")}
    assert codes
    assert codes - known <= {"permission_denied"}  # REST framework's own
