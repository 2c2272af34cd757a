"""The project's own admin of users: what it shows of guests, and what a save there makes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.admin.utils import display_for_value
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from anonauth.models import DailyTally
from tests.admin.conftest import USERS, StaffMaker
from tests.client import Api

pytestmark = pytest.mark.django_db
User: Any = get_user_model()
ADA = "ada@example.org"
EMAILS = "/admin/account/emailaddress/"


def is_guest(user: Any) -> bool:
    return bool(User.objects.get(pk=user.pk).is_guest)


def form_of(client: Client, path: str) -> dict[str, Any]:
    """Return what a change form would send back unchanged."""
    form = client.get(path).context["adminform"].form
    initial = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data: dict[str, Any] = {}
    for name, value in initial.items():
        if isinstance(value, bool):
            data |= {name: "on"} if value else {}
        elif hasattr(value, "strftime"):
            data[f"{name}_0"], data[f"{name}_1"] = value.date(), value.strftime("%H:%M:%S")
        elif value is not None:
            data[name] = value
    return data


def test_the_list_shows_and_filters_guests_with_their_dates(boss: Client, guest: Any) -> None:
    User.objects.create_user("ann")

    page = boss.get(USERS, {"is_guest__exact": "1"})

    text = page.content.decode()
    assert [row.username for row in page.context["cl"].result_list] == ["guest-1"]
    for column in ("is_guest", "guest_since", "last_seen_at", "purge_date"):
        assert f"column-{column}" in text
    assert (timezone.now() + timedelta(days=30)).strftime("%Y") in text


@pytest.mark.parametrize("form", [str, lambda key: f" {key.hex} "])
def test_a_guest_is_found_by_his_key_and_others_as_before(
    form: Callable[[Any], str], boss: Client, guest: Any
) -> None:
    User.objects.create_user("ann", email=ADA)

    def found(term: str) -> list[str]:
        return [row.username for row in boss.get(USERS, {"q": term}).context["cl"].result_list]

    assert found(form(guest.pk)) == ["guest-1"]
    assert found(str(guest.pk)[:8]) == []
    assert found("ada@") == ["ann"]
    assert len(found("")) == 3


def test_list_and_form_write_the_date_of_the_purge_alike(boss: Client, guest: Any) -> None:
    written = display_for_value(User.objects.get(pk=guest.pk).purge_at, "-")

    assert written in boss.get(USERS).content.decode()
    form = boss.get(f"{USERS}{guest.pk}/change/").content.decode()
    assert written in form
    assert "+00:00" not in form


def test_the_list_costs_no_statement_for_a_guest_more(
    boss: Client, guest: Any, django_assert_max_num_queries: Any
) -> None:
    guests = [User(username=f"g{n}", password="!", is_guest=True) for n in range(50)]
    User.objects.bulk_create(guests)

    with django_assert_max_num_queries(6):
        assert boss.get(USERS).status_code == 200


def test_actions_begin_on_the_list_and_nowhere_else(boss: Client, guest: Any) -> None:
    actions = ("upgrade_selected", "merge_selected", "purge_selected")
    assert all(f'value="{name}"' in boss.get(USERS).content.decode() for name in actions)
    for page in (f"{USERS}{guest.pk}/change/", f"{USERS}?_popup=1"):
        assert not any(name in boss.get(page).content.decode() for name in actions)


def test_no_form_writes_the_flag_or_a_date(boss: Client, guest: Any) -> None:
    path = f"{USERS}{guest.pk}/change/"
    page = boss.get(path).content.decode()
    before = User.objects.filter(pk=guest.pk).values("is_guest", "guest_since", "upgraded_at").get()
    data = form_of(boss, path) | {
        "is_guest": "",
        "guest_since_0": "2000-01-01",
        "guest_since_1": "00:00:00",
        "upgraded_at": "2000-01-01",
        "first_name": "Zoë",
    }

    answer = boss.post(path, data)

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert 'name="is_guest"' not in page
    assert "field-guest_since" in page
    row = User.objects.get(pk=guest.pk)
    assert row.first_name == "Zoë"
    assert User.objects.filter(pk=guest.pk).values(*before).get() == before


def test_a_password_set_by_staff_upgrades(
    boss: Client, django_capture_on_commit_callbacks: Any
) -> None:
    api = Api()
    guest = User.objects.get(pk=api.sign_in()["id"])
    path = f"{USERS}{guest.pk}/password/"
    form = {"usable_password": "true", "password1": "salt-and-seagulls"}

    boss.get(path)
    boss.post(path, form | {"password2": "another"})
    assert is_guest(guest)
    with django_capture_on_commit_callbacks(execute=True):
        answer = boss.post(path, form | {"password2": "salt-and-seagulls"})

    assert answer.status_code == 302
    row = User.objects.get(pk=guest.pk)
    assert (row.is_guest, row.check_password("salt-and-seagulls")) == (False, True)
    assert DailyTally.objects.get(event="upgraded").label == "admin"
    assert api.get("user/").json()["code"] == "token_revoked"


def test_a_password_that_staff_makes_unusable_upgrades_nobody(boss: Client, guest: Any) -> None:
    boss.post(f"{USERS}{guest.pk}/password/", {"usable_password": "false", "unset-password": "1"})

    assert is_guest(guest)


def test_a_verified_address_added_by_staff_upgrades(
    boss: Client, guest: Any, django_capture_on_commit_callbacks: Any
) -> None:
    address = {"user": guest.pk, "email": ADA}
    with django_capture_on_commit_callbacks(execute=True):
        boss.post(f"{EMAILS}add/", address)
        assert is_guest(guest)
        row = EmailAddress.objects.get()
        answer = boss.post(f"{EMAILS}{row.pk}/change/", address | {"verified": "on"})

    assert answer.status_code == 302, answer.content
    user = User.objects.get(pk=guest.pk)
    assert (user.is_guest, user.email) == (False, ADA)
    assert EmailAddress.objects.get().primary
    assert DailyTally.objects.get(event="upgraded").label == "admin"


def test_what_was_planted_goes_when_staff_verifies_the_address_of_another_person(
    boss: Client, guest: Any
) -> None:
    guest.set_password("planted")
    guest.save()
    mallory = EmailAddress.objects.create(user=guest, email="mallory@example.org", verified=False)

    boss.post(f"{EMAILS}add/", {"user": guest.pk, "email": ADA, "verified": "on"})

    user = User.objects.get(pk=guest.pk)
    assert (user.is_guest, user.has_usable_password()) == (False, False)
    assert not EmailAddress.objects.filter(pk=mallory.pk).exists()


def test_the_action_of_allauth_that_marks_an_address_as_verified_upgrades_too(
    boss: Client, guest: Any
) -> None:
    guest.set_password("planted")
    guest.save()
    row = EmailAddress.objects.create(user=guest, email=ADA, verified=False)

    boss.post(EMAILS, {"action": "make_verified", "_selected_action": row.pk})

    user = User.objects.get(pk=guest.pk)
    assert (user.is_guest, user.has_usable_password()) == (False, False)


def test_a_social_account_added_by_staff_upgrades(boss: Client, guest: Any) -> None:
    path = "/admin/socialaccount/socialaccount/add/"

    answer = boss.post(
        path, {"user": guest.pk, "provider": "dummy", "uid": "7", "extra_data": '{"id": 7}'}
    )

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert SocialAccount.objects.get().user_id == guest.pk
    assert not is_guest(guest)


def test_a_banned_guest_whom_staff_gives_an_address_stays_banned_and_a_guest(
    boss: Client, guest: Any
) -> None:
    User.objects.filter(pk=guest.pk).update(is_active=False)

    answer = boss.post(f"{EMAILS}add/", {"user": guest.pk, "email": ADA, "verified": "on"})

    assert answer.status_code == 302
    assert is_guest(guest)


def test_a_guest_in_the_middle_of_a_sign_up_is_not_upgraded_by_an_edit_of_something_else(
    boss: Client, guest: Any
) -> None:
    guest.set_password("chosen in the form")
    guest.save()
    EmailAddress.objects.create(user=guest, email=ADA, verified=False)
    path = f"{USERS}{guest.pk}/change/"

    answer = boss.post(path, form_of(boss, path) | {"first_name": "Zoë"})

    assert answer.status_code == 302
    assert User.objects.get(pk=guest.pk).first_name == "Zoë"
    assert is_guest(guest)


def test_staff_who_may_only_look_sets_no_password(staff: StaffMaker, guest: Any) -> None:
    client = staff("view_user")
    form = {"usable_password": "true", "password1": "salt-and-seagulls"}

    answer = client.post(f"{USERS}{guest.pk}/password/", form | {"password2": "salt-and-seagulls"})

    assert answer.status_code == 403
    assert is_guest(guest)
