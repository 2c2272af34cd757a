"""GuestMixin, its queryset and the index."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import connection, models
from django.forms import modelform_factory
from django.utils import timezone
from rest_framework import serializers
from rest_framework_simplejwt.models import TokenUser

from anonauth.models import GuestManagerMixin, is_guest, is_permanent

if TYPE_CHECKING:
    from pytest_django import Settings

User = get_user_model()


@pytest.mark.django_db
def test_the_column_is_named_as_everybody_calls_it() -> None:
    User.objects.create_user("ann", is_guest=True)

    with connection.cursor() as cursor:
        cursor.execute("SELECT username FROM testapp_user WHERE is_anonymous")
        assert cursor.fetchall() == [("ann",)]


@pytest.mark.django_db
def test_guests_permanent_and_stale_ask_for_the_right_rows() -> None:
    now = timezone.now()
    old = User.objects.create_user("old", is_guest=True, last_seen_at=now - timedelta(days=31))
    new = User.objects.create_user("new", is_guest=True, last_seen_at=now)
    unknown = User.objects.create_user("unknown", is_guest=True)
    permanent = User.objects.create_user("ann", last_seen_at=now - timedelta(days=99))

    assert set(User.objects.guests()) == {old, new, unknown}
    assert set(User.objects.permanent()) == {permanent}
    assert set(User.objects.stale(before=now - timedelta(days=30))) == {old}
    assert set(User.objects.exclude(username="old").guests()) == {new, unknown}  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_stale_guests_are_a_range_of_the_partial_index() -> None:
    many = [
        User(username=f"u{n}", is_guest=n % 50 == 0, last_seen_at=timezone.now())
        for n in range(3000)
    ]
    User.objects.bulk_create(many)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE testapp_user" if connection.vendor == "postgresql" else "ANALYZE")
    plan = User.objects.stale(before=timezone.now() - timedelta(days=30)).only("pk").explain()

    assert "user_stale" in plan
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "testapp_user")
        sql = (
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'user_stale'"
            if connection.vendor == "postgresql"
            else "SELECT sql FROM sqlite_master WHERE name = 'user_stale'"
        )
        cursor.execute(sql)
        (definition,) = cursor.fetchone() or ("",)
    assert constraints["user_stale"]["columns"] == ["last_seen_at"]
    assert "WHERE" in definition


def test_no_form_and_no_admin_can_write_what_the_life_cycle_writes() -> None:
    fields = modelform_factory(User, fields="__all__").base_fields

    written = {"is_guest", "guest_since", "last_seen_at", "upgraded_at", "credentials_revoked_at"}
    assert not written & set(fields)


def test_no_serializer_can_write_them_either() -> None:
    class UserSerializer(serializers.ModelSerializer[Any]):
        class Meta:
            model = User
            fields = "__all__"

    fields = UserSerializer().fields
    for name in (
        "is_guest",
        "guest_since",
        "last_seen_at",
        "upgraded_at",
        "credentials_revoked_at",
    ):
        assert fields[name].read_only


def test_the_purge_date_follows_the_setting(settings: Settings) -> None:
    settings.ANONAUTH_PURGE_AFTER = timedelta(days=3)
    now = timezone.now()

    assert User(is_guest=True, last_seen_at=now).purge_at == now + timedelta(days=3)
    assert User(is_guest=False, last_seen_at=now).purge_at is None
    assert User(is_guest=True).purge_at is None


def test_the_session_hash_is_djangos_until_something_is_revoked() -> None:
    user = User(username="ann", password="x")
    before = user.get_session_auth_hash()
    assert before == AbstractBaseUser.get_session_auth_hash(user)

    hashes = {before}
    for moment in (timezone.now(), timezone.now() + timedelta(microseconds=1)):
        user.credentials_revoked_at = moment
        hashes.add(user.get_session_auth_hash())
    assert len(hashes) == 3


@pytest.mark.django_db
def test_the_session_hash_is_the_same_after_a_round_trip_through_the_database() -> None:
    user = User.objects.create_user("ann", credentials_revoked_at=timezone.now())

    assert User.objects.get().get_session_auth_hash() == user.get_session_auth_hash()


@pytest.mark.django_db
def test_a_stale_instance_cannot_undo_what_a_flow_has_written() -> None:
    stale = User.objects.create_user("guest-1", is_guest=True, last_seen_at=timezone.now())
    now = timezone.now()
    User.objects.update(
        is_guest=False, upgraded_at=now, credentials_revoked_at=now, last_seen_at=now
    )

    stale.nickname = "Zoë"
    stale.save()
    stale.save(update_fields=["is_guest", "credentials_revoked_at"])
    User.objects.bulk_update([stale], ["nickname"])

    row = User.objects.get()
    assert row.nickname == "Zoë"
    assert row.is_guest is False
    assert (row.upgraded_at, row.credentials_revoked_at, row.last_seen_at) == (now, now, now)


@pytest.mark.django_db
def test_nobody_becomes_a_guest_by_saving_an_instance() -> None:
    user = User.objects.create_user("ann")

    user.is_guest = True
    user.save()

    assert User.objects.get().is_guest is False


def test_a_projects_migrations_do_not_depend_on_our_fields() -> None:
    for name in (
        "is_guest",
        "guest_since",
        "last_seen_at",
        "upgraded_at",
        "credentials_revoked_at",
    ):
        field: Any = User._meta.get_field(name)
        assert field.deconstruct()[1].startswith("django.db.models.")


def test_a_manager_of_the_projects_own_keeps_its_filter() -> None:
    class Visible(models.Manager[Any]):
        def get_queryset(self) -> Any:
            return super().get_queryset().filter(is_active=True)

    class Manager(GuestManagerMixin[Any], Visible):
        pass

    manager = Manager()
    manager.model = User

    assert "is_active" in str(manager.guests().query)
    assert "is_active" in str(manager.permanent().query)


def test_who_does_not_know_whether_he_is_a_guest_is_not_permanent() -> None:
    stock = TokenUser({"user_id": "1"})  # type: ignore[arg-type]

    assert stock.is_authenticated
    assert not is_permanent(stock)


def test_visitors_are_neither_guests_nor_permanent() -> None:
    for nobody in (AnonymousUser(), None):
        assert not is_guest(nobody)
        assert not is_permanent(nobody)


def test_a_guest_is_no_permanent_user_and_the_other_way_around() -> None:
    guest, permanent = User(is_guest=True), User(is_guest=False)

    assert (is_guest(guest), is_permanent(guest)) == (True, False)
    assert (is_guest(permanent), is_permanent(permanent)) == (False, True)
