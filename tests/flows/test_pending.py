"""What waits for a code, without HTTP and without allauth."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from anonauth.exceptions import (
    CodeIncorrect,
    DeliveryFailed,
    NoPendingUpgrade,
    NotAnonymous,
    RateLimited,
    UserInactive,
    UserNotFound,
)
from anonauth.flows import pending
from anonauth.flows.pending import CodeRules
from anonauth.models import PendingUpgrade

pytestmark = pytest.mark.django_db
User = get_user_model()
RULES = CodeRules(
    lifetime=timedelta(minutes=15), attempts=3, interval=timedelta(seconds=60), per_address=5
)
AT_ONCE = CodeRules(
    lifetime=timedelta(minutes=15), attempts=3, interval=timedelta(0), per_address=5
)


class ProviderError(Exception):
    """What the client library of an SMS provider raises."""


@pytest.fixture
def guest() -> Any:
    return User.objects.create_user("guest-1", is_guest=True)


def start(user: Any, code: str = "ABCD", *, rules: CodeRules = RULES, **more: Any) -> list[str]:
    sent: list[str] = []
    facts: dict[str, Any] = {"method": "email", "target": "a@example.org", **more}
    facts.setdefault("send", lambda: sent.append(code))
    pending.start(user, code=code, rules=rules, **facts)
    return sent


def check(user: Any, code: str, method: str = "email") -> PendingUpgrade:
    return pending.check_code(user, method=method, code=code, rules=RULES)


def test_a_code_is_sent_once_and_found_right(guest: Any) -> None:
    assert start(guest, password="hash", name="Ada") == ["ABCD"]

    row = check(guest, "ab-cd")

    assert (row.target, row.password, row.name, row.attempts) == ("a@example.org", "hash", "Ada", 1)


def test_a_code_is_good_for_one_use(guest: Any) -> None:
    start(guest)
    row = check(guest, "ABCD")
    pending.use(row)

    with pytest.raises(NoPendingUpgrade):
        pending.use(row)
    with pytest.raises(NoPendingUpgrade):
        check(guest, "ABCD")


def test_a_code_that_was_replaced_after_it_was_found_right_cannot_be_used(guest: Any) -> None:
    start(guest, rules=AT_ONCE)
    row = check(guest, "ABCD")
    start(guest, "EFGH", rules=AT_ONCE)

    with pytest.raises(NoPendingUpgrade):
        pending.use(row)


def test_methods_wait_beside_each_other(guest: Any) -> None:
    start(guest, "ABCD")
    start(guest, "1234", method="phone", target="+4930123456")

    with pytest.raises(CodeIncorrect):
        check(guest, "1234", "email")
    assert check(guest, "1234", "phone").target == "+4930123456"
    assert check(guest, "ABCD", "email").target == "a@example.org"


def test_checking_a_code_is_two_statements(guest: Any) -> None:
    start(guest)
    with CaptureQueriesContext(connection) as queries:
        check(guest, "ABCD")

    # On PostgreSQL, claims stand in front of a statement.
    verbs = [q["sql"].rpartition("true);")[2].split()[0] for q in queries]
    assert verbs == ["UPDATE", "SELECT"]


def test_a_code_that_means_nothing_is_never_right(guest: Any) -> None:
    # A project's generator that returns nothing must not open a door to whoever types nothing.
    start(guest, "--")

    with pytest.raises(CodeIncorrect):
        check(guest, "")


@pytest.mark.parametrize("error", [OSError("down"), ProviderError("down")])
def test_a_network_that_fails_is_told_from_a_bug(error: Exception, guest: Any) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(DeliveryFailed):
        start(guest, send=fail)
    assert not PendingUpgrade.objects.exists()


@pytest.mark.parametrize("error", [TypeError("bug"), DatabaseError("bug"), KeyboardInterrupt()])
def test_a_bug_is_passed_on_and_nothing_is_left(error: BaseException, guest: Any) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        start(guest, send=fail)
    assert not PendingUpgrade.objects.exists()


def test_a_delivery_that_fails_after_another_began_does_not_undo_that(guest: Any) -> None:
    def fail() -> None:
        start(guest, "EFGH", rules=AT_ONCE)
        raise OSError("down")

    with pytest.raises(DeliveryFailed):
        start(guest, send=fail)

    assert check(guest, "EFGH").attempts == 1


def test_the_wait_is_told_in_whole_seconds(guest: Any) -> None:
    start(guest)

    with pytest.raises(RateLimited) as refusal:
        start(guest, "EFGH", target="b@example.org")

    assert refusal.value.retry_after in {59, 60}
    assert check(guest, "ABCD").target == "a@example.org"


def test_the_window_of_the_attempts_starts_anew_with_the_first_code_after_it(guest: Any) -> None:
    start(guest, rules=AT_ONCE)
    PendingUpgrade.objects.update(attempts=3)
    row = PendingUpgrade.objects.get()
    PendingUpgrade.objects.update(created_at=row.created_at - RULES.lifetime)

    start(guest, "EFGH", rules=AT_ONCE)

    assert check(guest, "EFGH").attempts == 1


def test_a_permanent_a_banned_and_a_purged_user_start_nothing(guest: Any) -> None:
    stale = User.objects.get()
    User.objects.update(is_guest=False)
    with pytest.raises(NotAnonymous):
        start(stale)
    User.objects.update(is_guest=True, is_active=False)
    with pytest.raises(UserInactive):
        start(stale)
    User.objects.all().delete()
    with pytest.raises(UserNotFound):
        start(stale)
    assert not PendingUpgrade.objects.exists()


def test_nothing_of_the_code_or_the_address_can_be_read_from_the_hash(guest: Any) -> None:
    other = User.objects.create_user("guest-2", is_guest=True)
    start(guest)
    start(other)

    hashes = set(PendingUpgrade.objects.values_list("code_hash", flat=True))

    assert len(hashes) == 2
    assert {len(h) for h in hashes} == {64}
