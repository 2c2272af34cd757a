"""``manage.py check_anonymous``."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from anonauth.flows import consistency
from anonauth.models import DailyTally
from tests.client import Api

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db
User: Any = get_user_model()
PASSKEY = {"credential": {"clientExtensionResults": {"credProps": {"rk": True}}}}


def check(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("check_anonymous", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue()
    return 0, out.getvalue()


def guest(name: str, **fields: Any) -> Any:
    since = timezone.now() - timedelta(days=1)
    return User.objects.create_user(name, is_guest=True, guest_since=since, **fields)


def kinds() -> dict[str, list[str]]:
    found = json.loads(check("--json")[1])["guests"]
    names = {str(user.pk): user.username for user in User.objects.all()}
    return {names[entry["id"]]: entry["kinds"] for entry in found}


def one_of_each() -> None:
    EmailAddress.objects.create(user=guest("by-email"), email="a@example.org", verified=True)
    guest("by-phone", phone="+491", phone_verified=True)
    SocialAccount.objects.create(user=guest("by-social"), provider="dummy", uid="1")
    both = guest("by-two")
    SocialAccount.objects.create(user=both, provider="dummy", uid="2")
    EmailAddress.objects.create(user=both, email="b@example.org", verified=True)
    Authenticator.objects.create(user=guest("by-passkey"), type="webauthn", data=PASSKEY)


def innocent() -> None:
    """Guests and permanent users as they should be, some of them on their way."""
    Api().sign_in()
    waiting = guest("waiting", password="secret", phone="+492")
    EmailAddress.objects.create(user=waiting, email="c@example.org", verified=False)
    Authenticator.objects.create(user=guest("totp"), type="totp", data={})
    User.objects.create_user("ann", password="secret")
    User.objects.create_user("bob", email="bob@example.org")  # can ask for a mail to set one
    User.objects.create_user("banned", is_active=False)


def test_where_all_is_well_it_says_so_and_ends_with_0() -> None:
    innocent()

    code, text = check()

    assert code == 0
    assert text == "Guests who hold credentials: 0\nPermanent users who hold none: 0\n"


def test_each_kind_of_credential_is_found() -> None:
    innocent()
    one_of_each()

    assert check()[0] == 1
    assert kinds() == {
        "by-email": ["email"],
        "by-phone": ["phone"],
        "by-social": ["social"],
        "by-two": ["email", "social"],
        "by-passkey": ["passkey"],
    }


@pytest.mark.parametrize(
    ("methods", "verification", "found"),
    [
        ({"username"}, "optional", {"typed": ["password"]}),
        ({"email"}, "optional", {}),
        ({"username"}, "mandatory", {}),
    ],
)
def test_a_password_counts_where_it_opens_an_account(
    methods: set[str], verification: str, found: dict[str, list[str]], settings: Settings
) -> None:
    settings.ACCOUNT_LOGIN_METHODS = methods
    settings.ACCOUNT_EMAIL_VERIFICATION = verification
    guest("typed", password="secret")
    waiting = guest("waiting", password="secret")
    EmailAddress.objects.create(user=waiting, email="c@example.org", verified=False)
    User.objects.filter(pk=guest("empty").pk).update(password="")

    assert kinds() == found


def test_permanent_users_without_any_are_listed_unless_they_are_not_wanted() -> None:
    lost = User.objects.create_user("lost")
    placeholder = User.objects.create_user("placeholder", email="x@guest.invalid")

    code, text = check("--json")

    assert code == 1
    found = json.loads(text)
    assert found["permanent_without_credentials"] == 2
    assert set(found["permanent"]) == {str(lost.pk), str(placeholder.pk)}
    assert str(lost.pk) in check()[1]
    assert check("--guests-only") == (
        0,
        "Guests who hold credentials: 0\n",
    )


def test_fix_upgrades_the_guests_and_the_second_run_finds_nothing(
    django_capture_on_commit_callbacks: Any,
) -> None:
    innocent()
    one_of_each()
    before = set(User.objects.guests().values_list("username", flat=True))

    with django_capture_on_commit_callbacks(execute=True):
        code, text = check("--fix")

    assert code == 0
    assert text.count("(upgraded)") == 5
    after = set(User.objects.guests().values_list("username", flat=True))
    assert {name for name in before - after if not name.startswith("by-")} == set()
    assert not any(name.startswith("by-") for name in after)
    counts = DailyTally.objects.filter(event="upgraded").values_list("label", "count")
    assert dict(counts) == {"email": 2, "phone": 1, "social": 1, "passkey": 1}
    by_email = User.objects.get(username="by-email")
    assert (by_email.email, by_email.upgraded_at is not None) == ("a@example.org", True)
    assert User.objects.get(username="by-phone").phone == "+491"
    assert Authenticator.objects.filter(user__username="by-passkey").exists()
    assert check()[0] == 0


def test_a_password_that_somebody_planted_does_not_survive_the_fix() -> None:
    planted = guest("by-email", password="planted")
    EmailAddress.objects.create(user=planted, email="a@example.org", verified=True)

    assert check("--fix")[0] == 0

    assert not User.objects.get().has_usable_password()


def test_a_banned_guest_stays_banned_and_a_guest_and_is_told_of() -> None:
    one_of_each()
    User.objects.filter(username="by-email").update(is_active=False)

    code, text = check("--fix")

    assert code == 1
    assert "(user_inactive)" in text
    assert User.objects.get(username="by-email").is_guest


def test_it_asks_in_batches_and_not_for_each_user(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(consistency, "BATCH", 5)
    for number in range(15):
        guest(f"g{number}")

    # Three full batches and an empty one: users, addresses, social accounts, passkeys.
    with django_assert_num_queries(3 * 4 + 1):
        assert check()[0] == 0


def test_no_more_than_a_hundred_are_named_and_all_are_counted() -> None:
    users = [User(username=f"u{number}", password="!") for number in range(130)]
    User.objects.bulk_create(users)

    found = json.loads(check("--json")[1])

    assert found["permanent_without_credentials"] == 130
    assert len(found["permanent"]) == 100
