"""The example shop reads its environment strictly and answers mistakes with one line."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from example_project.env import Environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ANONAUTH_RATE_LIMITS", '["1000/m", "5/s"]', ("1000/m", "5/s")),
        ("ANONAUTH_RATE_LIMITS", "[]", ()),
        ("ANONAUTH_ENABLED", "false", False),
        ("ANONAUTH_MAX_GUESTS", "500", 500),
        ("ANONAUTH_MAX_GUESTS", "null", None),
        ("ANONAUTH_PURGE_AFTER", "3600", timedelta(hours=1)),
        ("ANONAUTH_CAPACITY_INTERVAL", "0.5", timedelta(milliseconds=500)),
        ("ANONAUTH_CAPTCHA_TIMEOUT", "2", 2),
        ("ANONAUTH_CAPTCHA", '"turnstile"', "turnstile"),
    ],
)
def test_a_setting_of_anonauth_is_read_as_json(name: str, text: str, value: Any) -> None:
    assert Environment({name: text, "PATH": "/bin"}).anonauth() == {name: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ANONAUTH_RATE_LIMIT", '["30/h"]'),
        ("ANONAUTH_RATE_LIMITS", "30/h"),
        ("ANONAUTH_RATE_LIMITS", '"30/h"'),
        ("ANONAUTH_RATE_LIMITS", "[30]"),
        ("ANONAUTH_ENABLED", "1"),
        ("ANONAUTH_ENABLED", "null"),
        ("ANONAUTH_MAX_GUESTS", "true"),
        ("ANONAUTH_PURGE_AFTER", '"30d"'),
        ("ANONAUTH_CAPTCHA_SECRET", ""),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_in_one_line(name: str, text: str) -> None:
    with pytest.raises(SystemExit) as stop:
        Environment({name: text}).anonauth()
    message = str(stop.value)
    assert name in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "variables",
    [
        {"ANONAUTH_RATE_LIMITZ": "[]"},
        {"ANONAUTH_RATE_LIMITS": "30/h"},
        {"DEBUG": "perhaps"},
        {"DEBUG": "0", "SECRET_KEY": ""},
        {"SECRET_KEY": "too-short"},
    ],
)
def test_the_process_ends_without_a_traceback(variables: dict[str, str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import example_project.settings"],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("Environment: ")
    assert len(run.stderr.splitlines()) == 1
    assert list(variables)[-1] in run.stderr


def test_a_flag_is_read_in_the_usual_words() -> None:
    for word, value in {"1": True, "Yes": True, "off": False, "0": False, "": False}.items():
        assert Environment({"DEBUG": word}).flag("DEBUG", default=True) is value
    assert Environment({}).flag("DEBUG", default=True) is True


def test_an_openid_connect_server_becomes_the_provider_oidc() -> None:
    code = (
        "from example_project.settings import SOCIALACCOUNT_PROVIDERS as providers;"
        "app, = providers['openid_connect']['APPS'];"
        "print(app['provider_id'], app['client_id'], app['settings']['server_url'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            **os.environ,
            "OIDC_SERVER_URL": "http://localhost:9/",
            "OIDC_CLIENT_ID": "shop",
            "OIDC_CLIENT_SECRET": "secret",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["oidc", "shop", "http://localhost:9/"]


def test_nobody_can_be_anybody_with_debug_off() -> None:
    code = "from example_project.settings import INSTALLED_APPS; print(*INSTALLED_APPS)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "DEBUG": "0", "SECRET_KEY": "x" * 50},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "allauth.socialaccount.providers.dummy" not in run.stdout.split()
