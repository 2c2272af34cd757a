"""The one door in, from behind: what the flow promises to receivers, adapters and other constraints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, authenticate, get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, transaction
from django.db.models.signals import post_save
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from rest_framework import serializers

from anonauth.adapter import Adapter, get_adapter
from anonauth.contrib.postgres.transport import without_claims
from anonauth.exceptions import UsernamesExhausted
from anonauth.flows.sign_in import NAME_ATTEMPTS, SignInFacts, sign_in
from anonauth.models import SignInKey, is_guest
from anonauth.signals import guest_created
from tests.client import Api
from tests.signals import connected

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)
User = get_user_model()

KEY = "0b3bb7de-8b1e-47a6-9e2b-7b6d6a1f0c55"
FACTS = SignInFacts()
KEYS = pytest.mark.parametrize("key", [None, KEY])


class OnePhoneAdapter(Adapter):
    """A project's mistake: every guest gets the same value in a unique column of the project's own."""

    def new_guest(self) -> Any:
        user = super().new_guest()
        user.phone = "+4930123456"
        return user


class OneNameAdapter(Adapter):
    """Proposes a name that is taken, for ever."""

    def new_username(self) -> str:
        return "taken"


class TalkativeAdapter(Adapter):
    """Tells the client how the guest is called."""

    def user_payload(self, user: Any) -> dict[str, Any]:
        return {**super().user_payload(user), "nickname": user.nickname}


class EverythingSerializer(serializers.Serializer[Any]):
    """A project's mistake: it lets through what decides about rights."""

    nickname = serializers.CharField()
    groups = serializers.ListField()
    user_permissions = serializers.ListField()
    is_active = serializers.BooleanField()
    backend = serializers.CharField()


@contextmanager
def listening(receiver: Any) -> Iterator[None]:
    with connected(guest_created, receiver):
        yield


def users_inserted(queries: CaptureQueriesContext) -> int:
    table = User._meta.db_table
    made = [without_claims(query["sql"]) for query in queries.captured_queries]
    return sum(sql.startswith(f'INSERT INTO "{table}"') for sql in made)


# --- other constraints


@KEYS
def test_a_broken_constraint_that_is_not_the_names_is_raised_at_once(
    settings: Settings, key: str | None
) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.OnePhoneAdapter"
    sign_in(facts=FACTS)

    with CaptureQueriesContext(connection) as queries, pytest.raises(IntegrityError, match="phone"):
        sign_in(facts=FACTS, key=key)

    assert users_inserted(queries) == 1  # a second attempt would have been in vain
    assert User.objects.count() == 1
    assert not SignInKey.objects.exists()


@KEYS
def test_inside_of_a_transaction_a_broken_constraint_leaves_it_usable(
    settings: Settings, key: str | None
) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.OnePhoneAdapter"
    sign_in(facts=FACTS)

    with transaction.atomic():
        with CaptureQueriesContext(connection) as queries, pytest.raises(IntegrityError):
            sign_in(facts=FACTS, key=key)
        User.objects.create_user("ann")

    assert users_inserted(queries) == 1
    assert User.objects.count() == 2


@KEYS
def test_a_receiver_that_refuses_the_row_is_asked_once(key: str | None) -> None:
    asked: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        asked.append(kwargs["instance"].pk)
        raise IntegrityError("UNIQUE constraint failed: crm_contact.email")

    with (
        connected(post_save, receiver, sender=User),
        pytest.raises(IntegrityError, match="crm_contact"),
    ):
        sign_in(facts=FACTS, key=key)

    assert len(asked) == 1
    assert not User.objects.exists()
    assert not SignInKey.objects.exists()


@KEYS
def test_an_adapter_that_proposes_taken_names_only_is_given_up(
    settings: Settings, key: str | None
) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.OneNameAdapter"
    User.objects.create_user("taken")

    with CaptureQueriesContext(connection) as queries, pytest.raises(UsernamesExhausted):
        sign_in(facts=FACTS, key=key)

    assert users_inserted(queries) == NAME_ATTEMPTS
    assert User.objects.count() == 1


# --- guest_created


@KEYS
def test_of_a_guest_who_was_rolled_back_nobody_hears(key: str | None) -> None:
    heard: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        heard.append(kwargs["user"])

    with listening(receiver):
        with transaction.atomic():
            sign_in(facts=FACTS, key=key)
            transaction.set_rollback(True)  # the rest of the project's view failed
        assert heard == []
        assert not User.objects.exists()

        with transaction.atomic():
            user = sign_in(facts=FACTS, key=key).user
            assert heard == []  # not before the commit: somebody else could not see the row yet
    assert heard == [user]


def test_a_retry_announces_nobody_again() -> None:
    heard: list[Any] = []

    def receiver(**kwargs: Any) -> None:
        heard.append(kwargs["user"].pk)

    with listening(receiver):
        Api().post("anonymous/", Idempotency_Key=KEY)
        Api().post("anonymous/", Idempotency_Key=KEY)

    assert heard == [User.objects.get().pk]


@pytest.mark.parametrize("credentials", ["jwt", "session"])
def test_what_a_receiver_does_to_the_user_is_in_the_answer(
    settings: Settings, credentials: str
) -> None:
    settings.ANONAUTH_ADAPTER = f"{__name__}.TalkativeAdapter"

    def receiver(user: Any, **kwargs: Any) -> None:
        user.nickname = "Quiet Fox"
        user.save(update_fields=["nickname"])

    with listening(receiver):
        answer = Api().post("anonymous/", {"credentials": credentials})

    assert answer.json()["user"]["nickname"] == "Quiet Fox"
    assert User.objects.get().nickname == "Quiet Fox"


@pytest.mark.parametrize(
    ("asked", "language"), [("de-AT,de;q=0.9", "de"), ("fr", "fr"), ("", "en")]
)
def test_receivers_learn_the_language_of_the_visitor(
    settings: Settings, asked: str, language: str
) -> None:
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    heard: list[SignInFacts] = []

    def receiver(facts: SignInFacts, **kwargs: Any) -> None:
        heard.append(facts)

    # LocaleMiddleware leaves its language behind.
    with listening(receiver), translation.override("en"):
        Api(accept_language=asked).post("anonymous/")

    assert [facts.language for facts in heard] == [language]


# --- names


def test_ten_thousand_guests_have_ten_thousand_names() -> None:
    names = {get_adapter().new_guest().get_username() for _ in range(10_000)}

    assert len(names) == 10_000
    assert max(map(len, names)) <= 150  # Django's column


def test_a_name_says_nothing_of_the_session() -> None:
    # Names are shown: in the admin, in comments, in logs. A session key in one would be the way in.
    api = Api()
    before = api.http.session
    before["basket"] = ["apple"]
    before.save()
    planted = before.session_key

    api.sign_in(credentials="session")

    name = User.objects.get().get_username().removeprefix("guest-")
    after = api.http.session.session_key
    for key in (planted, after):
        assert key
        assert not any(key[i : i + 6] in name for i in range(len(key) - 5))
        assert not any(name[i : i + 6] in key for i in range(len(name) - 5))


# --- rights


@pytest.mark.parametrize("active", [True, False])
def test_no_profile_joins_groups_or_bans(settings: Settings, active: bool) -> None:
    settings.ANONAUTH_PROFILE_SERIALIZER = f"{__name__}.EverythingSerializer"
    group = Group.objects.create(name="editors")
    permission = Permission.objects.create(
        codename="publish", name="May publish", content_type=ContentType.objects.get_for_model(User)
    )

    Api().sign_in(
        profile={
            "nickname": "Eve",
            "groups": [group.pk],
            "user_permissions": [permission.pk],
            "is_active": active,
            "backend": "django.contrib.auth.backends.AllowAllUsersModelBackend",
        }
    )

    guest = User.objects.get()
    assert guest.nickname == "Eve"
    assert not guest.groups.exists()
    assert not guest.user_permissions.exists()
    assert guest.get_all_permissions() == set()
    assert guest.is_active


def test_an_unusable_password_does_not_make_a_guest() -> None:
    # Whoever signs in by a social account alone has none either.
    user = User.objects.create_user("ann", "ann@example.com")
    user.set_unusable_password()
    user.save()
    api = Api()
    api.http.force_login(user)
    api.http.cookies["csrftoken"] = "a" * 32

    assert not is_guest(user)
    assert api.get("user/").json()["is_anonymous"] is False
    assert api.post("anonymous/").json()["code"] == "already_permanent"
    assert not User.objects.guests().exists()


@pytest.mark.parametrize("guest", [True, False])
@pytest.mark.parametrize("password", [None, "", "!", "guest", "ann"])
def test_nobody_is_authenticated_by_a_name_alone(guest: bool, password: str | None) -> None:
    if guest:
        sign_in(facts=FACTS)
    else:
        User.objects.create_user("ann", "ann@example.com", None if password is None else "secret")
    user = User.objects.get()

    assert authenticate(username=user.username) is None
    assert authenticate(username=user.username, password=password) is None
    assert authenticate(username=user.username, password=user.password) is None
    assert not Client().login(username=user.username, password=password)


# --- the backend of a session


@pytest.mark.parametrize(
    "path",
    [
        "django.contrib.auth.backends.ModelBackend",
        "allauth.account.auth_backends.AuthenticationBackend",
    ],
)
def test_the_project_may_name_the_backend_of_a_guests_session(
    settings: Settings, path: str
) -> None:
    settings.ANONAUTH_SESSION_BACKEND = path
    api = Api()

    user = api.sign_in(credentials="session")

    assert api.http.session[BACKEND_SESSION_KEY] == path
    assert api.get("user/").json()["id"] == user["id"]


def test_without_the_setting_the_backend_that_is_made_for_guests_is_taken(
    settings: Settings,
) -> None:
    settings.AUTHENTICATION_BACKENDS = list(reversed(settings.AUTHENTICATION_BACKENDS))
    api = Api()

    api.sign_in(credentials="session")

    assert api.http.session[BACKEND_SESSION_KEY].endswith(".GuestBackend")


def test_without_a_backend_for_guests_the_first_one_loads_them(settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    api = Api()

    user = api.sign_in(credentials="session")

    assert api.http.session[BACKEND_SESSION_KEY] == "django.contrib.auth.backends.ModelBackend"
    assert api.get("user/").json()["id"] == user["id"]
