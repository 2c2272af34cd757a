"""The OpenAPI schema has no warnings, is the committed one and follows the settings."""

# mypy: allow-untyped-calls
# Reason: the generator of drf-spectacular has no annotations.

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from drf_spectacular.renderers import OpenApiYamlRenderer
from rest_framework import serializers

from anonauth.api.errors import STATUS
from tests.contrib.openapi import faults, make_schema, operations

if TYPE_CHECKING:
    from pytest_django import Settings

SNAPSHOT = Path(__file__).parent / "openapi.yaml"
UPDATE = "TEST_UPDATE_SNAPSHOT"


class ProfileSerializer(serializers.Serializer[Any]):
    """What a project might name in ANONAUTH_PROFILE_SERIALIZER."""

    nickname = serializers.CharField(max_length=50)


@pytest.fixture
def schema() -> dict[str, Any]:
    return make_schema()


def test_the_schema_of_a_project_at_framework_defaults_has_no_warning() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())


@pytest.mark.slow
def test_the_schema_of_the_example_shop_has_no_warning() -> None:
    command = [sys.executable, "-W", "error", "-m", "django", "spectacular", "--validate"]
    options = ["--fail-on-warn", "--settings=example_project.settings"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_schema_is_the_committed_one(schema: dict[str, Any]) -> None:
    made = OpenApiYamlRenderer().render(schema).decode()
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(made, "utf-8")
    committed = SNAPSHOT.read_text("utf-8")
    if made != committed:
        lines = (committed.splitlines(), made.splitlines())
        diff = "\n".join(difflib.unified_diff(*lines, "committed", "now", lineterm=""))
        again = f"{UPDATE}=1 python -m pytest tests/contrib/test_spectacular.py"
        pytest.fail(f"The schema changed. If that is meant, run: {again}\n{diff}", pytrace=False)


def test_operations_have_the_names_that_generated_clients_call(schema: dict[str, Any]) -> None:
    assert {name for name, _ in operations(schema)} == {
        "signInAnonymously",
        "getUser",
        "deleteUser",
        "signOut",
        "refreshToken",
        "getSettings",
        "startEmailUpgrade",
        "verifyEmailUpgrade",
        "resendEmailCode",
        "startPhoneUpgrade",
        "verifyPhoneUpgrade",
        "resendPhoneCode",
        "upgradeWithProviderToken",
        "startSocialUpgrade",
        "finishSocialUpgrade",
        "previewMerge",
        "merge",
        "setPassword",
        "obtainToken",
    }


def test_every_code_with_a_status_is_in_the_schema(schema: dict[str, Any]) -> None:
    codes = schema["components"]["schemas"]["AnonauthErrorCode"]["enum"]
    assert set(STATUS) - set(codes) == set()


def test_every_code_is_among_the_answers_of_its_status(schema: dict[str, Any]) -> None:
    shown = {
        (example["value"]["code"], int(status))
        for _, operation in operations(schema)
        for status, response in operation["responses"].items()
        if int(status) >= 400
        for example in response["content"]["application/json"]["examples"].values()
    }
    # Quotas and row-level security are on rows of a project's own, so only its own endpoints answer with these.
    own = {("quota_exceeded", 403), ("database_refused", 403)}
    assert set(STATUS.items()) - shown == own


def test_every_example_is_valid(schema: dict[str, Any]) -> None:
    found = []
    for name, operation in operations(schema):
        parts = [operation["requestBody"]] if "requestBody" in operation else []
        for part in [*parts, *operation["responses"].values()]:
            for content in part.get("content", {}).values():
                assert content["examples"], name
                for example in content["examples"].values():
                    found += faults(schema, content["schema"], example["value"])
    assert found == []


def test_visitors_need_no_credentials_for_what_is_open(schema: dict[str, Any]) -> None:
    no_need = {name for name, found in operations(schema) if {} in found.get("security", [{}])}
    assert no_need == {"signInAnonymously", "getSettings", "refreshToken", "obtainToken"}


def test_the_schema_follows_the_settings(settings: Settings) -> None:
    settings.ANONAUTH_CREDENTIALS = ("session",)
    settings.ANONAUTH_PROFILE_SERIALIZER = "tests.contrib.test_spectacular.ProfileSerializer"
    components = make_schema()["components"]["schemas"]
    assert components["AnonauthCredentials"]["enum"] == ["session"]
    assert "AnonauthSignedInJwt" not in components
    assert components["AnonauthSignIn"]["properties"]["profile"] == {
        "$ref": "#/components/schemas/Profile"
    }
    assert "nickname" in components["Profile"]["properties"]


def test_a_project_without_profiles_has_none_in_the_schema(schema: dict[str, Any]) -> None:
    assert "profile" not in schema["components"]["schemas"]["AnonauthSignIn"]["properties"]
