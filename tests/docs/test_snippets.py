"""The code in the documentation: all of it is valid, and what can be run alone does what it says."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache

from tests.client import Api
from tests.docs.pages import PAGES, README, ROOT, blocks, read, section

User: Any = get_user_model()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_compiles_and_json_parses(page: Path) -> None:
    text = page.read_text("utf-8")
    for block in blocks(text, "python"):
        compile(block, page.name, "exec")
    for block in blocks(text, "json"):
        json.loads(block)


@pytest.fixture
def modules() -> Iterator[None]:
    """Forget the modules that a test made of snippets."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "snippets"]:
        del sys.modules[name]


def module_of(source: str, name: str) -> None:
    """Make ``snippets.<name>`` of a piece of documentation."""
    sys.modules.setdefault("snippets", ModuleType("snippets"))
    module = ModuleType(f"snippets.{name}")
    sys.modules[module.__name__] = module
    exec(compile(source, name, "exec"), module.__dict__)


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_the_kind_of_credentials_in_the_docs_works(settings: Any) -> None:
    source, setting = blocks(section(read("credentials"), "Kinds of your own"), "python")
    module_of(source.replace("accounts.signed", "snippets.signed"), "signed")
    settings.ANONAUTH_CREDENTIALS = ["snippets.signed.SignedCredentials", "session"]
    assert "accounts.signed.SignedCredentials" in setting

    api = Api()
    body = api.post("anonymous/").json()
    header = f"Signed {body['token']}"
    assert body["credentials"] == "signed"
    assert api.get("user/", Authorization=header).json()["id"] == body["user"]["id"]
    assert api.get("user/", Authorization="Signed forged").status_code == 401

    lost = api.post("sign-out/", {"lose_data": True}, Authorization=header)
    assert lost.status_code == 204
    assert api.get("user/", Authorization=header).json()["code"] == "token_revoked"


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_the_kill_switch_and_the_names_in_the_docs_work(settings: Any) -> None:
    page = read("adapter")
    wanted = ("is_open_for_guests", "new_username", "email_of", "upgrade_methods")
    sources = ["from anonauth.adapter import Adapter as Base\nAdapter = Base"]
    for name in wanted:
        sources += [*blocks(section(page, name), "python"), "Adapter = ProjectAdapter"]
    module_of("\n".join(sources), "adapter")
    settings.ANONAUTH_ADAPTER = "snippets.adapter.ProjectAdapter"

    user = Api().sign_in()
    assert User.objects.get().username.startswith("player-")
    assert user["upgrade_methods"] == ["email"]
    cache.set("guests-closed", True)
    assert Api().post("anonymous/").json()["code"] == "anonymous_disabled"


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_the_profile_in_the_docs_works(settings: Any) -> None:
    page = read("adapter")
    serializer, adapter = blocks(section(page, "populate"), "python")
    (payload,) = blocks(section(page, "user_payload"), "python")
    shared = "from anonauth.adapter import Adapter\n"
    chained = f"{shared}{serializer}\n{adapter}\nAdapter = ProjectAdapter\n{payload}"
    module_of(chained, "profile")
    settings.ANONAUTH_ADAPTER = "snippets.profile.ProjectAdapter"
    settings.ANONAUTH_PROFILE_SERIALIZER = "snippets.profile.ProfileSerializer"

    assert Api().sign_in(profile={"nickname": " Ann "})["nickname"] == "Ann"
    refused = Api().post("anonymous/", {"profile": {"nickname": "x" * 51}})
    assert "profile.nickname" in refused.json()["fields"]


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_the_captcha_in_the_docs_works(settings: Any) -> None:
    source = next(b for b in blocks(read("abuse"), "python") if "QuestionCaptcha" in b)
    module_of(source, "captcha")
    settings.ANONAUTH_CAPTCHA = "snippets.captcha.QuestionCaptcha"

    assert Api().post("anonymous/").json()["code"] == "captcha_failed"
    assert Api().post("anonymous/", {"captcha_token": "blue"}).status_code == 201
    assert Api().get("settings/").json()["captcha"]["provider"] == "question"


def test_the_readme_names_the_versions_that_the_package_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    text = README.read_text("utf-8")
    assert f"pip install {project['name']}" in text
    for classifier in project["classifiers"]:
        *kind, version = classifier.split(" :: ")
        if kind == ["Framework", "Django"]:
            assert version in text
    assert project["requires-python"] == ">=3.11"
    assert "Python 3.11" in text
