"""The one door out."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client, RequestFactory
from django.utils import timezone

import anonauth
from anonauth.contrib.postgres.transport import without_claims
from anonauth.exceptions import UserInactive, UserNotFound
from anonauth.flows.upgrade import upgrade
from anonauth.models import DailyTally, PendingUpgrade, SignInKey
from anonauth.signals import guest_upgraded
from tests.client import Api
from tests.signals import connected

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db
User = get_user_model()


@pytest.fixture
def guest() -> Any:
    return User.objects.create_user(
        "guest-1", is_guest=True, guest_since=timezone.now() - timedelta(days=2)
    )


def request_of(client: Client) -> Any:
    request = RequestFactory().post("/")
    request.session = client.session
    return request


def test_a_guest_becomes_permanent_and_stays_the_same_row(guest: Any) -> None:
    key = guest.pk

    assert upgrade(guest, method="email") is True

    row = User.objects.get()
    for user in (guest, row):
        assert (user.pk, user.is_guest) == (key, False)
        assert user.upgraded_at == user.credentials_revoked_at is not None
        assert not user.has_usable_password()
        assert user.purge_at is None
    assert row.get_session_auth_hash() == guest.get_session_auth_hash()


def test_a_second_upgrade_changes_nothing(guest: Any) -> None:
    stale = User.objects.get()
    upgrade(guest, method="email")
    before = User.objects.values().get()

    assert upgrade(guest, method="social") is False
    assert upgrade(stale, method="social") is False

    assert User.objects.values().get() == before
    assert stale.is_guest is False


def test_a_password_that_was_set_survives(guest: Any) -> None:
    guest.set_password("secret")
    guest.save()

    upgrade(guest, method="password")

    assert User.objects.get().check_password("secret")


def test_every_other_credential_ends_and_the_session_at_hand_goes_on() -> None:
    api, thief = Api(), Api()
    api.sign_in(credentials="session")
    session = api.http.session
    session["cart"] = [1, 2]
    session.save()
    planted = api.http.cookies["sessionid"].value
    thief.http.cookies["sessionid"] = planted
    token_thief = Api()
    token_thief.tokens = {
        k: v
        for k, v in api.post("anonymous/", {"credentials": "jwt"}).json().items()
        if k in ("access", "refresh")
    }
    guest = User.objects.get()
    request = request_of(api.http)

    upgrade(guest, method="email", request=request)
    request.session.save()
    api.http.cookies["sessionid"] = request.session.session_key

    assert api.get("user/").json()["is_anonymous"] is False
    assert api.http.session["cart"] == [1, 2]
    assert request.session.session_key != planted
    assert thief.get("user/").status_code == 401
    assert token_thief.get("user/").json()["code"] == "token_revoked"
    assert token_thief.refresh().json()["code"] == "token_revoked"


def test_somebody_elses_session_is_left_alone(guest: Any) -> None:
    client = Client()
    client.force_login(User.objects.create_user("ann"))
    request = request_of(client)
    before = (request.session.session_key, dict(request.session.items()))

    upgrade(guest, method="email", request=request)

    assert (request.session.session_key, dict(request.session.items())) == before


def test_what_could_undo_the_upgrade_is_gone(guest: Any) -> None:
    later = timezone.now() + timedelta(minutes=5)
    SignInKey.objects.create(key_hash="x", user=guest, expires_at=later)
    PendingUpgrade.objects.create(user=guest, method="phone", target="+1", expires_at=later)

    upgrade(guest, method="email")

    assert not PendingUpgrade.objects.exists()
    assert SignInKey.objects.exists()  # it opens nothing any more, and a retry is told so


def test_an_instance_saved_later_in_the_request_does_not_undo_it(guest: Any) -> None:
    stale = User.objects.get()
    upgrade(guest, method="email")

    stale.nickname = "Zoë"
    stale.save()

    assert User.objects.values_list("is_guest", "nickname").get() == (False, "Zoë")


def test_a_banned_guest_does_not_launder_himself(guest: Any) -> None:
    User.objects.update(is_active=False)

    with pytest.raises(UserInactive):
        upgrade(guest, method="email")

    assert User.objects.get().is_guest


def test_a_purged_guest_cannot_be_upgraded(guest: Any) -> None:
    User.objects.all().delete()

    with pytest.raises(UserNotFound):
        upgrade(guest, method="email")


def test_receivers_and_the_tally_learn_of_it_once(
    guest: Any, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[dict[str, Any]] = []

    def receiver(**kwargs: Any) -> None:
        heard.append(kwargs)

    with connected(guest_upgraded, receiver), django_capture_on_commit_callbacks(execute=True):
        upgrade(guest, method="email")
        upgrade(guest, method="email")

    (event,) = heard
    assert (event["user"].pk, event["method"]) == (guest.pk, "email")
    assert timedelta(days=2) <= event["age"] < timedelta(days=2, minutes=1)
    tallies = DailyTally.objects.order_by("day").values_list("day", "event", "label", "count")
    assert list(tallies) == [
        (guest.guest_since.date(), "departed", "upgraded", 1),
        (guest.upgraded_at.date(), "upgraded", "email", 1),
    ]


def test_the_tally_adds_up(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    DailyTally.objects.add("upgraded", "email")
    with django_assert_num_queries(1):
        DailyTally.objects.add("upgraded", "email", number=2)
    DailyTally.objects.add("upgraded", "social")

    assert set(DailyTally.objects.values_list("label", "count")) == {("email", 3), ("social", 1)}


@pytest.mark.django_db(transaction=True)
def test_an_upgrade_is_five_statements(guest: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    DailyTally.objects.add("upgraded", "email")
    DailyTally.objects.add("departed", "upgraded", day=guest.guest_since.date())
    with CaptureQueriesContext(connection) as queries:
        upgrade(guest, method="email")

    verbs = [without_claims(q["sql"]).split()[0] for q in queries]
    verbs = [verb for verb in verbs if verb not in {"BEGIN", "COMMIT"}]
    assert verbs == [
        "SELECT",
        "UPDATE",
        "DELETE",
        "UPDATE",
        "UPDATE",
    ]


def test_nothing_else_in_the_package_writes_the_flag() -> None:
    root = Path(anonauth.__file__).parent
    writers = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if writes_the_flag(node):
                writers.add(path.relative_to(root).as_posix())

    # sign_in and the adapter make guests; upgrade ends it.
    assert writers == {"adapter.py", "flows/sign_in.py", "flows/upgrade.py"}


def writes_the_flag(node: ast.AST) -> bool:
    """Tell whether a node assigns, updates or constructs with ``is_guest``."""
    match node:
        case ast.Assign(targets=targets):
            return any(
                isinstance(t, ast.Attribute) and t.attr == "is_guest" for t in targets
            ) or any(
                isinstance(t, ast.Subscript) and "is_guest" in ast.dump(t.slice) for t in targets
            )
        case ast.Call(
            func=ast.Attribute(attr="update" | "create" | "create_user" | "aupdate"),
            keywords=keywords,
        ):
            return any(k.arg == "is_guest" for k in keywords)
        case ast.Call(func=ast.Name(id="model" | "setattr"), keywords=keywords, args=args):
            return any(k.arg == "is_guest" for k in keywords) or any(
                isinstance(a, ast.Constant) and a.value == "is_guest" for a in args
            )
        case ast.Dict(keys=keys, values=values):
            return any(
                isinstance(k, ast.Constant)
                and k.value == "is_guest"
                and isinstance(v, ast.Constant)
                for k, v in zip(keys, values, strict=True)
            )
    return False
