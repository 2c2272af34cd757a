"""Staff merges a guest into an account, after having seen what would move."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.messages.storage.fallback import FallbackStorage
from django.db.models import QuerySet
from django.http import HttpRequest
from django.test import Client, RequestFactory

from anonauth.admin.merge_action import merge_selected
from anonauth.models import DailyTally, MergeRecord
from tests.admin.conftest import USERS, StaffMaker, act, said
from tests.testapp.admin import UserAdmin
from tests.testapp.models import Note

pytestmark = pytest.mark.django_db
User: Any = get_user_model()


@pytest.fixture
def ann() -> Any:
    return User.objects.create_user("ann", email="ann@example.org")


def is_there(user: Any) -> bool:
    return bool(User.objects.filter(pk=user.pk).exists())


def test_first_it_asks_then_shows_what_would_move_and_then_merges(
    boss: Client, guest: Any, ann: Any, django_capture_on_commit_callbacks: Any
) -> None:
    Note.objects.create(owner=guest, text="a shopping list")

    asked = act(boss, "merge_selected", guest, post="yes")
    shown = act(boss, "merge_selected", guest, post="yes", account="ann@example.org")
    assert "Show what would move" in asked.content.decode()
    assert "Yes, merge them" in shown.content.decode()
    assert f"→ {ann}</strong> ({ann.pk})" in shown.content.decode()
    assert [row.moved for row in shown.context["report"].relations if row.anonymous] == [1]
    assert is_there(guest)

    with django_capture_on_commit_callbacks(execute=True):
        done = act(boss, "merge_selected", guest, post="yes", account="ann", previewed=str(ann.pk))

    assert said(done) == ["The guest was merged into ann."]
    assert not is_there(guest)
    assert Note.objects.get().owner_id == ann.pk
    record = MergeRecord.objects.get()
    assert record.actor is not None
    assert (record.guest_id, record.method) == (str(guest.pk), "admin")
    assert record.actor.get_username() == "boss"
    assert DailyTally.objects.filter(event="merged").get().count == 1


def test_another_account_than_the_one_that_was_shown_is_shown_first(
    boss: Client, guest: Any, ann: Any
) -> None:
    bob = User.objects.create_user("bob")

    page = act(boss, "merge_selected", guest, post="yes", account="bob", previewed=str(ann.pk))

    assert page.context["report"].account_id == str(bob.pk)
    assert is_there(guest)


@pytest.mark.parametrize("text", ["", "nobody", "guest-1", "00000000-0000-0000-0000-000000000000"])
def test_what_names_no_account_is_refused(text: str, boss: Client, guest: Any, ann: Any) -> None:
    page = act(boss, "merge_selected", guest, post="yes", account=text)

    assert "errorlist" in page.content.decode()
    assert is_there(guest)


def test_what_names_two_accounts_is_refused(boss: Client, guest: Any, ann: Any) -> None:
    User.objects.create_user("other", email="ANN@example.org")

    page = act(boss, "merge_selected", guest, post="yes", account="ann@example.org")

    assert "type its id" in page.content.decode()


def test_a_key_names_its_account_whoever_is_called_like_that(
    boss: Client, guest: Any, ann: Any
) -> None:
    User.objects.create_user(str(ann.pk))

    page = act(boss, "merge_selected", guest, post="yes", account=str(ann.pk))

    assert page.context["report"].account_id == str(ann.pk)


def test_a_banned_account_gets_nothing(boss: Client, guest: Any, ann: Any) -> None:
    User.objects.filter(pk=ann.pk).update(is_active=False)

    page = act(boss, "merge_selected", guest, account="ann", previewed=str(ann.pk))

    assert said(page) == ["This user is not active."]
    assert is_there(guest)


@pytest.mark.parametrize("permission", ["change_user", "delete_user"])
def test_one_of_the_two_rights_is_not_enough(
    permission: str, staff: StaffMaker, guest: Any, ann: Any
) -> None:
    client = staff("view_user", permission)

    assert "merge_selected" not in client.get(USERS).content.decode()
    act(client, "merge_selected", guest, account="ann", previewed=str(ann.pk))

    assert is_there(guest)


def test_staff_with_both_rights_can_and_another_site_cannot_make_him(
    staff: StaffMaker, guest: Any, ann: Any
) -> None:
    client = staff("change_user", "delete_user", enforce_csrf_checks=True)
    data = {"account": "ann", "previewed": str(ann.pk)}

    assert act(client, "merge_selected", guest, **data).status_code == 403
    client.get(USERS, {"action": "merge_selected", "_selected_action": guest.pk, **data})
    assert is_there(guest)

    client.handler.enforce_csrf_checks = False
    act(client, "merge_selected", guest, **data)
    assert not is_there(guest)


@pytest.mark.parametrize("named", ["ann", "ann@example.org", "key"])
def test_an_account_that_staff_does_not_see_does_not_exist_for_it(
    named: str, staff: StaffMaker, guest: Any, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = admin.site._registry[User].get_queryset

    def of_the_tenant(request: HttpRequest) -> QuerySet[Any]:
        return original(request).exclude(username="ann")

    monkeypatch.setattr(admin.site._registry[User], "get_queryset", of_the_tenant)
    client = staff("change_user", "delete_user")
    account = str(ann.pk) if named == "key" else named

    page = act(client, "merge_selected", guest, account=account, previewed=str(ann.pk))

    assert "There is no such account." in page.content.decode()
    assert is_there(guest)


def test_an_account_that_staff_may_not_change_does_not_exist_for_it_either(
    staff: StaffMaker, guest: Any, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_others(request: HttpRequest, obj: Any = None) -> bool:
        return obj is None or obj.username != "ann"

    monkeypatch.setattr(admin.site._registry[User], "has_change_permission", of_others)
    client = staff("change_user", "delete_user")

    page = act(client, "merge_selected", guest, account="ann", previewed=str(ann.pk))

    assert "There is no such account." in page.content.decode()
    assert is_there(guest)


def test_a_guest_whom_staff_may_not_delete_is_not_merged(
    staff: StaffMaker, guest: Any, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_of_all(request: HttpRequest, obj: Any = None) -> bool:
        return obj is None

    monkeypatch.setattr(admin.site._registry[User], "has_delete_permission", none_of_all)
    client = staff("change_user", "delete_user")

    page = act(client, "merge_selected", guest, account="ann", previewed=str(ann.pk))

    assert page.status_code == 403
    assert is_there(guest)


@pytest.mark.parametrize("named", ["ann", "key"])
def test_an_account_that_the_list_has_twice_is_one(
    named: str, boss: Client, guest: Any, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = admin.site._registry[User].get_queryset
    groups = [Group.objects.create(name=name) for name in ("north", "south")]
    for user in (ann, guest):
        user.groups.set(groups)

    def of_groups(request: HttpRequest) -> QuerySet[Any]:
        return original(request).filter(groups__in=groups)

    monkeypatch.setattr(admin.site._registry[User], "get_queryset", of_groups)
    account = str(ann.pk) if named == "key" else named

    page = act(boss, "merge_selected", guest, account=account, previewed=str(ann.pk))

    assert said(page) == ["The guest was merged into ann."]
    assert not is_there(guest)


class GuestsAdmin(UserAdmin):
    """Lists guests alone, as a project may do with a proxy of its model."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(is_guest=True)


def test_the_accounts_are_those_of_the_users_own_list(guest: Any, ann: Any) -> None:
    request: Any = RequestFactory().post(USERS, {"account": "ann", "previewed": str(ann.pk)})
    request.user, request.session = User.objects.create_superuser("boss"), {}
    request._messages = FallbackStorage(request)

    merge_selected(GuestsAdmin(User, admin.site), request, User.objects.filter(pk=guest.pk))

    assert not is_there(guest)


def test_the_list_of_merges_can_be_read_only_and_says_what_moved(
    boss: Client, guest: Any, ann: Any
) -> None:
    Note.objects.create(owner=guest)
    act(boss, "merge_selected", guest, account="ann", previewed=str(ann.pk))
    record = MergeRecord.objects.get()
    path = "/admin/anonauth/mergerecord/"

    page = boss.get(f"{path}{record.pk}/change/").content.decode()

    assert "1 → 1" in page
    assert str(guest.pk) in boss.get(path).content.decode()
    assert boss.post(f"{path}{record.pk}/delete/", {"post": "yes"}).status_code == 403
    assert boss.get(f"{path}add/").status_code == 403


def test_the_list_of_merges_needs_its_permission(staff: StaffMaker) -> None:
    assert staff("view_user").get("/admin/anonauth/mergerecord/").status_code == 403
