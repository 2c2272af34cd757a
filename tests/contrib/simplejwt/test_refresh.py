"""POST token/refresh/: claims from the row, revocation first, never a 500."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework_simplejwt.tokens import RefreshToken as StockRefreshToken

from anonauth.adapter import Adapter
from anonauth.contrib.postgres.transport import without_claims
from anonauth.contrib.simplejwt.tokens import issue
from tests.client import Api

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db
User = get_user_model()


def claims(token: str) -> Any:
    return jwt.decode(token, options={"verify_signature": False})


def stock_tokens(user: Any, **changes: Any) -> dict[str, str]:
    """Return what a project's own simplejwt view gives out."""
    token = StockRefreshToken.for_user(user)
    token.payload.update(changes)
    return {"access": str(token.access_token), "refresh": str(token)}


class PlanningAdapter(Adapter):
    def token_claims(self, user: Any) -> dict[str, Any]:
        others = ("exp", "jti", "user_id", "token_type", "is_anonymous", "sv", "hash_password")
        claims = {
            **dict.fromkeys(others, "x"),
            "anonauth_claims": ["exp"],
            "plan": user.first_name or "free",
        }
        return claims | ({"role": "editor"} if user.last_name else {})


@pytest.mark.parametrize("checked", [False, True])
def test_the_projects_claims_are_in_all_tokens_and_follow_the_row(
    checked: bool, api: Api, settings: Settings, simple_jwt: Any
) -> None:
    simple_jwt(CHECK_REVOKE_TOKEN=checked)
    settings.ANONAUTH_ADAPTER = "tests.contrib.simplejwt.test_refresh.PlanningAdapter"
    key = api.sign_in()["id"]
    access, refresh = (claims(token) for token in api.tokens.values())
    assert access["plan"] == refresh["plan"] == "free"
    # What others write stays theirs.
    assert access["user_id"] == refresh["user_id"] == key
    assert (access["token_type"], refresh["token_type"]) == ("access", "refresh")
    assert access["is_anonymous"] is refresh["is_anonymous"] is True
    assert len({access["jti"], refresh["jti"], "x"}) == 3
    assert access["exp"] > access["iat"]

    User.objects.update(first_name="pro", last_name="Ann")
    pair = api.refresh().json()
    assert claims(pair["access"])["plan"] == claims(pair["refresh"])["plan"] == "pro"
    assert claims(pair["access"])["role"] == "editor"

    User.objects.update(last_name="")
    pair = api.refresh().json()
    # What is said no more is not in them, nor is it said of a user who was never told so.
    assert all("role" not in claims(pair[name]) for name in ("access", "refresh"))
    assert claims(pair["refresh"])["anonauth_claims"] == ["plan"]
    settings.ANONAUTH_ADAPTER = "anonauth.adapter.Adapter"
    pair = api.refresh().json()
    assert not {"plan", "anonauth_claims"} & claims(pair["refresh"]).keys()
    assert api.get("user/").json()["id"] == key


def test_a_refresh_keeps_the_claims_of_the_projects_own_views(api: Api) -> None:
    user = User.objects.create_user("ann")

    api.tokens = stock_tokens(user, shop="north")

    assert claims(api.refresh().json()["access"])["shop"] == "north"


def test_a_refresh_renews_both_tokens_with_one_query(
    api: Api, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    user = api.sign_in()

    with django_assert_num_queries(1):
        answer = api.refresh()

    assert set(answer.json()) == {"access", "expires_in", "token_type", "refresh"}
    assert api.get("user/").json()["id"] == user["id"]
    assert claims(answer.json()["refresh"])["is_anonymous"] is True


def test_without_rotation_only_the_access_token_is_new(api: Api, simple_jwt: Any) -> None:
    simple_jwt(ROTATE_REFRESH_TOKENS=False)
    api.sign_in()

    assert set(api.refresh().json()) == {"access", "expires_in", "token_type"}


def test_claims_follow_the_row(api: Api) -> None:
    api.sign_in()
    User.objects.update(is_guest=False)

    stale = api.get("user/")
    assert (stale.status_code, stale.json()["code"]) == (401, "token_stale")

    answer = api.refresh().json()
    assert claims(answer["access"])["is_anonymous"] is False
    assert claims(answer["refresh"])["is_anonymous"] is False
    assert api.get("user/").json()["is_anonymous"] is False


@pytest.mark.parametrize("end", ["password", "revoked"])
def test_a_revoked_token_is_not_laundered_by_a_refresh(api: Api, end: str) -> None:
    api.sign_in()
    user = User.objects.get()
    if end == "password":
        user.set_unusable_password()
        user.save()
    else:
        User.objects.update(credentials_revoked_at=timezone.now())

    for _ in range(2):
        answer = api.refresh()
        assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert api.get("user/").json()["code"] == "token_revoked"


def test_tokens_survive_a_rotation_of_the_secret_key(api: Api, settings: Settings) -> None:
    api.sign_in()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new secret key that is long enough for everything"

    assert api.get("user/").status_code == 200
    forgotten = Api()
    forgotten.tokens = dict(api.tokens)
    assert api.refresh().status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert api.refresh().status_code == 200  # refreshed above, under the new key
    assert forgotten.refresh().json()["code"] == "token_revoked"


def test_an_expired_refresh_token_is_answered_401(api: Api) -> None:
    api.sign_in()
    token = issue(User.objects.get())
    token.set_exp(lifetime=-timedelta(seconds=1))
    api.tokens["refresh"] = str(token)

    answer = api.refresh()

    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_an_access_token_is_no_refresh_token(api: Api) -> None:
    api.sign_in()
    api.tokens["refresh"] = api.tokens["access"]

    assert api.refresh().json()["code"] == "token_not_valid"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"refresh": ""},
        {"refresh": None},
        {"refresh": 5},
        {"refresh": "a.b.c"},
        {"refresh": "x" * 9000},
    ],
)
def test_what_is_no_token_is_a_clean_refusal(api: Api, body: dict[str, Any]) -> None:
    answer = api.post("token/refresh/", body)

    assert answer.status_code in {400, 401}
    assert answer.json()["code"] in {"invalid", "token_not_valid"}


@pytest.mark.parametrize("key", ["not-a-uuid", "12", "", None, 7])
def test_a_token_for_a_key_of_another_type_finds_nobody(api: Api, key: Any) -> None:
    api.sign_in()
    token = issue(User.objects.get())
    token["user_id"] = key
    api.tokens = {"access": str(token.access_token), "refresh": str(token)}

    for answer in (api.get("user/"), api.refresh()):
        assert answer.status_code == 401
        assert answer.json()["code"] in {"user_not_found", "token_not_valid"}


def test_a_guest_who_is_refreshed_was_seen(api: Api) -> None:
    api.sign_in()
    User.objects.update(last_seen_at=timezone.now() - timedelta(days=29))

    with CaptureQueriesContext(connection) as captured:
        api.refresh()

    assert [without_claims(query["sql"]).split()[0] for query in captured] == ["SELECT", "UPDATE"]
    assert User.objects.get().last_seen_at > timezone.now() - timedelta(minutes=1)


def test_where_tokens_are_not_issued_there_is_no_refresh(api: Api, settings: Settings) -> None:
    api.sign_in()
    settings.ANONAUTH_CREDENTIALS = ["session"]

    assert api.refresh().status_code == 404


# --- tokens of a project's own simplejwt views


def test_a_permanent_users_stock_token_is_accepted(api: Api) -> None:
    user = User.objects.create_user("ann")
    api.tokens = stock_tokens(user)

    assert api.get("user/").json()["id"] == str(user.pk)
    assert "sv" in claims(api.refresh().json()["refresh"])


def test_a_guests_stock_token_is_refused_since_nothing_could_end_it(api: Api) -> None:
    api.sign_in()
    api.tokens = stock_tokens(User.objects.get())

    assert api.get("user/").json()["code"] == "token_revoked"
    assert api.refresh().json()["code"] == "token_revoked"


@pytest.mark.parametrize("moment", ["upgraded_at", "credentials_revoked_at"])
def test_a_stock_token_from_before_the_upgrade_or_revocation_is_refused(
    api: Api, moment: str
) -> None:
    user = User.objects.create_user("ann")
    earlier = int((timezone.now() - timedelta(minutes=1)).timestamp())
    api.tokens = stock_tokens(user, iat=earlier)
    User.objects.update(**{moment: timezone.now()})

    assert api.get("user/").json()["code"] == "token_revoked"
    assert api.refresh().json()["code"] == "token_revoked"


def test_simplejwts_own_revocation_claim_is_honored_at_refresh_too(
    api: Api, simple_jwt: Any
) -> None:
    user = User.objects.create_user("ann")
    before = stock_tokens(user)
    simple_jwt(CHECK_REVOKE_TOKEN=True)
    api.tokens = stock_tokens(user)
    assert api.get("user/").status_code == 200
    assert api.refresh().status_code == 200

    api.tokens = before
    assert api.get("user/").json()["code"] == "password_changed"
    assert api.refresh().json()["code"] == "token_revoked"


def test_simplejwts_own_views_work_with_our_serializers(settings: Settings) -> None:
    from django.test import Client
    from django.test.utils import override_settings

    User.objects.create_user("ann", password="secret")
    with override_settings(ROOT_URLCONF="tests.contrib.simplejwt.stock_urls"):
        pair = Client().post("/pair/", {"username": "ann", "password": "secret"}).json()
        renewed = Client().post("/refresh/", {"refresh": pair["refresh"]})
        User.objects.all().delete()
        gone = Client().post("/refresh/", {"refresh": pair["refresh"]})

    assert claims(pair["access"])["is_anonymous"] is False
    assert set(renewed.json()) == {"access", "refresh"}
    assert (gone.status_code, gone.json()["code"]) == (401, "user_not_found")


class ReadsElsewhere:
    """The router of a project with a replica, which may not know the newest guests yet."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return "replica" if model is User else None

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        return "default"


def test_a_refresh_does_not_ask_a_replica(api: Api, settings: Settings) -> None:
    user = api.sign_in()
    settings.DATABASE_ROUTERS = [ReadsElsewhere()]
    answer = api.refresh()
    assert answer.status_code == 200
    assert claims(answer.json()["access"])["user_id"] == user["id"]
