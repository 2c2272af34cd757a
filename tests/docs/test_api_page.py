"""``docs/api.md`` against the codes, and against what the endpoints really answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import get_resolver

from anonauth.api.errors import STATUS
from tests.client import Api
from tests.docs.pages import README, blocks, code, read, rows, section

PAGE = read("api")
OTHERS = "Codes of authentication and REST framework"


def documented(heading: str) -> dict[str, int]:
    return {code(row[0]): int(row[1]) for row in rows(section(PAGE, heading))}


def shapes(text: str) -> list[Any]:
    return [shape(json.loads(block)) for block in blocks(text, "json")]


def shape(value: Any) -> Any:
    """Return the keys of an answer with the types of its values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return type(value).__name__


def test_the_table_of_codes_is_that_of_the_code() -> None:
    assert documented("Codes") == STATUS


def test_each_endpoint_has_a_row_and_a_section() -> None:
    patterns = get_resolver("anonauth.urls").reverse_dict
    found = (str(patterns.getlist(name)[0][0][0][0]) for name in patterns if isinstance(name, str))
    paths = {re.sub(r"%\((\w+)\)s", r"{\1}", path) for path in found}
    listed = [row[0] for row in rows(PAGE) if row[0].startswith("[`")]
    titles = [cell[2:].partition("`")[0] for cell in listed]
    assert {title.split()[1] for title in titles} == paths
    for title in titles:
        assert section(PAGE, title)


@pytest.mark.django_db
@pytest.mark.parametrize("text", [PAGE, README.read_text("utf-8")], ids=["api.md", "README.md"])
def test_the_documented_answer_to_signing_in_is_a_real_one(api: Api, text: str) -> None:
    real = api.post("anonymous/")
    assert real.status_code == 201
    assert shape(real.json()) in shapes(text)


@pytest.mark.django_db
@pytest.mark.parametrize("text", [PAGE, README.read_text("utf-8")], ids=["api.md", "README.md"])
def test_the_documented_answer_to_a_refresh_is_a_real_one(api: Api, text: str) -> None:
    api.sign_in()
    real = api.refresh()
    assert real.status_code == 200
    assert shape(real.json()) in shapes(text)


@pytest.mark.django_db
def test_the_other_documented_answers_are_real_ones(api: Api) -> None:
    session = api.post("anonymous/", {"credentials": "session"})
    tokens = Api()
    tokens.sign_in()
    answers = [
        session.json(),
        api.get("settings/").json(),
        tokens.post("sign-out/").json(),
        tokens.post("anonymous/", {"credentials": "parchment"}).json(),
    ]
    for answer in answers:
        assert shape(answer) in shapes(PAGE)


def stale() -> Any:
    api = Api()
    api.sign_in()
    get_user_model()._base_manager.update(is_guest=False)
    return api.get("user/")


def revoked() -> Any:
    api = Api()
    api.sign_in()
    old = api.tokens["access"]
    api.post("sign-out/", {"scope": "others"})
    return api.get("user/", Authorization=f"Bearer {old}")


def banned() -> Any:
    api = Api()
    api.sign_in()
    get_user_model()._base_manager.update(is_active=False)
    return api.get("user/")


def erased() -> Any:
    api = Api()
    api.sign_in()
    assert api.delete("user/").status_code == 204
    return api.get("user/")


def without_csrf_token() -> Any:
    api = Api()
    api.sign_in(credentials="session")
    return api.delete("user/", X_CSRFToken="")


PROVOKED: dict[str, Callable[[], Any]] = {
    "bad_authorization_header": lambda: Api().get("user/", Authorization="Bearer a b"),
    "body_too_large": lambda: Api().post("anonymous/", {"profile": {"x": "y" * 65536}}),
    "csrf_failed": without_csrf_token,
    "method_not_allowed": lambda: Api().get("anonymous/"),
    "not_authenticated": lambda: Api().get("user/"),
    "not_found": lambda: Api().post("token/refresh/", {"refresh": "x"}),
    "parse_error": lambda: Api().post("anonymous/", "["),
    "token_not_valid": lambda: Api().get("user/", Authorization="Bearer x"),
    "token_revoked": revoked,
    "token_stale": stale,
    "unsupported_media_type": lambda: Api().http.post("/auth/anonymous/", {"a": "b"}),
    "user_inactive": banned,
    "user_not_found": erased,
}


def test_each_code_of_authentication_and_rest_framework_is_provoked_below() -> None:
    # The row is read by simplejwt and by our flows, under the same two codes.
    assert set(documented(OTHERS)) | {"user_inactive", "user_not_found"} == set(PROVOKED)


@pytest.mark.django_db
@pytest.mark.parametrize("name", PROVOKED)
def test_a_code_of_the_second_table_comes_with_its_status(name: str, settings: Any) -> None:
    if name == "not_found":
        settings.ANONAUTH_CREDENTIALS = ["session"]
    answer = PROVOKED[name]()
    assert (answer.json()["code"], answer.status_code) == (
        name,
        (STATUS | documented(OTHERS))[name],
    )


def test_the_readme_fits_its_page() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 150
