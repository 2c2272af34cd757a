"""What a client is told when the database says no."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction
from django.db.models.signals import post_delete
from django.test import Client
from django.utils import timezone

from anonauth.adapter import Adapter
from anonauth.contrib.postgres.identity import as_guest, as_service, as_user
from anonauth.exceptions import DatabaseRefused
from anonauth.flows.expiring import count_expiring, warn_expiring
from anonauth.flows.merge import merge
from anonauth.flows.purge import check_share
from anonauth.flows.stale import StaleGuests
from anonauth.registry import as_service as as_service_of_flows
from tests.contrib.postgres.models import CartItem, Notice, Parcel
from tests.contrib.postgres.people import Person, User, person
from tests.signals import connected

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("as_project")]


@pytest.fixture
def guest() -> Person:
    return person("guest")


def test_a_page_is_answered_403_with_the_code(guest: Person) -> None:
    answer = guest.get("orm")
    assert answer.status_code == 403
    assert [t.name for t in answer.templates] == ["anonauth/refused.html"]
    assert answer.context["code"] == "database_refused"
    assert not Notice.objects.exists()


def test_a_page_is_answered_403_without_any_middleware_of_ours_for_refusals(
    guest: Person, settings: Any
) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "GuestMiddleware" not in name]
    assert guest.get("orm").status_code == 403
    assert guest.get("raw").status_code == 403


@pytest.mark.parametrize("path", ["api", "our_api"])
def test_the_api_is_answered_403_in_json_by_rest_frameworks_handler_and_by_ours(
    guest: Person, path: str
) -> None:
    answer = guest.post(path)
    assert answer.status_code == 403
    assert answer.json() == {
        "code": "database_refused",
        "detail": "You may not do this; it may need an account.",
    }


def test_the_refusal_is_an_error_of_the_database_for_those_who_expect_one(guest: Person) -> None:
    with as_user(guest.user):
        for kind in (ProgrammingError, PermissionDenied, DatabaseRefused):
            with pytest.raises(kind, match="row-level security"), transaction.atomic():
                Notice.objects.create(title="no")


def test_a_trigger_says_which_table_and_what_was_tried(guest: Person) -> None:
    with (
        as_user(guest.user),
        pytest.raises(DatabaseRefused, match="may insert rows of table rows_parcel"),
        transaction.atomic(),
    ):
        Parcel.objects.create(title="no")


def test_a_missing_grant_is_the_projects_mistake_and_no_refusal() -> None:
    permanent = person("permanent")
    with connection.cursor() as cursor:
        cursor.execute("REVOKE INSERT ON rows_notice FROM CURRENT_USER")
    try:
        assert permanent.get("orm").status_code == 500
    finally:
        with connection.cursor() as cursor:
            cursor.execute("GRANT INSERT ON rows_notice TO CURRENT_USER")


def test_a_refusal_in_another_language_is_still_one(guest: Person) -> None:
    """Told by where the server raised it, not by its words."""
    error = refusal_of(guest)
    assert error.__cause__.diag.source_function == "ExecWithCheckOptions"


def refusal_of(guest: Person) -> Any:
    with as_user(guest.user), pytest.raises(DatabaseRefused) as caught, transaction.atomic():
        Notice.objects.create(title="no")
    return caught.value


def test_a_refusal_is_in_the_audit_log_under_its_code(
    guest: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "anonauth.audit"):
        guest.get("orm")
    records = [record.anonauth for record in caplog.records if hasattr(record, "anonauth")]
    assert {"event": "refused", "code": "database_refused", "route": "rows/orm/"} in records


def test_a_guest_erases_himself_with_rows_that_he_could_not_delete() -> None:
    guest = person("guest")
    with as_service():
        Parcel.objects.create(title="from before the rule", owner=guest.user)
    answer = guest.http.delete("/auth/user/")
    assert answer.status_code == 204
    assert not Parcel.objects.exists()


def test_a_purge_takes_rows_that_nobody_may_delete_outside_of_requests() -> None:
    guest = person("guest").user
    User.objects.filter(pk=guest.pk).update(last_seen_at=timezone.now() - timedelta(days=90))
    with as_service():
        Parcel.objects.create(title="from before the rule", owner=guest)
    call_command("purge_anonymous", verbosity=0, yes=True)
    assert not Parcel.objects.exists()
    assert not User.objects.filter(pk=guest.pk).exists()


def test_a_purge_does_so_also_where_a_batch_is_tried_again_in_halves() -> None:
    bad, good = person("guest").user, person("guest").user
    User.objects.update(last_seen_at=timezone.now() - timedelta(days=90))
    with as_service():
        Parcel.objects.create(title="from before the rule", owner=good)

    def receiver(instance: Any, **kwargs: Any) -> None:
        if instance.pk == bad.pk:
            raise RuntimeError

    with (
        connected(post_delete, receiver, sender=User),
        pytest.raises(CommandError, match="1 guest could not be deleted"),
    ):
        call_command("purge_anonymous", verbosity=0, yes=True)
    assert User.objects.get() == bad


class CartKeeper(Adapter):
    def can_purge(self, guests: Any) -> Any:
        return guests.exclude(pk__in=CartItem.objects.values("user"))


@pytest.fixture
def hidden_carts(as_project: None, settings: Any) -> Iterator[None]:
    """Hide a table from everybody but the site itself."""
    settings.ANONAUTH_ROW_SECURITY_READS = True
    service = "current_setting('request.jwt.claims', true) LIKE '%service_role%'"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE POLICY site_only ON cart_items USING ({service})")
        cursor.execute("ALTER TABLE cart_items ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cart_items DISABLE ROW LEVEL SECURITY")
        cursor.execute("DROP POLICY site_only ON cart_items")


@pytest.mark.usefixtures("hidden_carts")
def test_an_adapter_sees_what_keeps_a_guest_also_before_the_first_batch(settings: Any) -> None:
    settings.ANONAUTH_ADAPTER = "tests.contrib.postgres.test_refusals.CartKeeper"
    guest = person("guest").user
    User.objects.filter(pk=guest.pk).update(last_seen_at=timezone.now() - timedelta(days=29))
    with as_service():
        CartItem.objects.create(user=guest, product="kept")
    soon: Any = {
        "database": "default",
        "older_than": timedelta(days=30),
        "ahead": timedelta(days=3),
    }

    assert check_share(StaleGuests("default", timedelta(days=28)), max_share=1) == 0
    assert count_expiring(**soon) == warn_expiring(**soon) == 0


def test_a_merge_moves_rows_that_the_guest_may_not_touch() -> None:
    guest, account = person("guest").user, person("permanent").user
    with as_service():
        Parcel.objects.create(title="from before the rule", owner=guest)
    with as_user(guest):
        merge(guest=guest, into=account)
    assert Parcel.objects.get().owner == account


def test_without_rows_of_his_a_cascade_of_a_guests_own_is_not_refused() -> None:
    guest = person("guest").user
    with as_user(guest):
        assert Parcel.objects.filter(owner=guest).delete()[0] == 0
    with as_service():
        Parcel.objects.create(title="his", owner=guest)
    with as_user(guest), pytest.raises(DatabaseRefused), transaction.atomic():
        Parcel.objects.filter(owner=guest).delete()
    assert Parcel.objects.count() == 1


def test_flows_act_for_the_site_only_as_long_as_their_block() -> None:
    with as_guest():
        with as_service_of_flows():
            Parcel.objects.create(title="by the flow")
        with pytest.raises(DatabaseRefused), transaction.atomic():
            Parcel.objects.create(title="no")


def test_a_visitor_who_signs_in_meets_no_rule() -> None:
    answer = Client().post("/auth/anonymous/", content_type="application/json")
    assert answer.status_code == 201
