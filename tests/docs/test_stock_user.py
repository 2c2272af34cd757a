"""The way from Django's stock user to one with the mixin, as ``docs/install.md`` describes it, on a real database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, blocks, read, section

SETTINGS = """
SECRET_KEY = "only-for-this-test-and-long-enough-for-hs256"
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.messages", "django.contrib.sessions",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "old.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
OWN_USER = """
INSTALLED_APPS += ["accounts"]
AUTH_USER_MODEL = "accounts.User"
"""
WITH_ANONAUTH = """
INSTALLED_APPS += ["rest_framework", "anonauth", "anonauth.contrib.simplejwt"]
"""
BEFORE = """
call_command("migrate", verbosity=0)
from django.contrib.auth.models import Group, User
ann = User.objects.create_user("ann", password="saffron-and-salt")
ann.groups.add(Group.objects.create(name="cooks"))
"""
ADOPT = """
call_command("makemigrations", "accounts", verbosity=0)
from django.db.migrations.exceptions import InconsistentMigrationHistory
try:
    call_command("migrate", verbosity=0)
except InconsistentMigrationHistory:
    exec(open("adopt.py").read())
call_command("migrate", verbosity=0)
call_command("makemigrations", check=True, dry_run=True, verbosity=0)
"""
AFTER = """
call_command("makemigrations", "accounts", verbosity=0)
call_command("migrate", verbosity=0)
call_command("makemigrations", check=True, dry_run=True, verbosity=0)
import json
from django.contrib.auth import authenticate
from django.contrib.auth.models import Permission
from accounts.models import User
from anonauth.flows.sign_in import SignInFacts, sign_in
guest = sign_in(facts=SignInFacts()).user
ann = authenticate(username="ann", password="saffron-and-salt")
print(json.dumps({
    "ann": [ann.pk, ann.is_guest, [group.name for group in ann.groups.all()]],
    "guests": [user.pk for user in User.objects.guests()],
    "guest": guest.pk,
    "table": User._meta.db_table,
    "indexes": [index.fields for index in User._meta.indexes],
    "permissions": sorted({
        permission.content_type.app_label
        for permission in Permission.objects.filter(content_type__model="user")
    }),
}))
"""


def run(folder: Path, script: str) -> str:
    """Run a script inside of the project, in a process of its own."""
    preamble = "import django; django.setup()\nfrom django.core.management import call_command\n"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", preamble + script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_project_with_the_stock_user_keeps_its_users_on_the_documented_way(
    tmp_path: Path,
) -> None:
    python = blocks(
        section(read("install"), "Existing projects with Django's stock user"), "python"
    )
    app, stock_model, adopt, guest_model = python
    settings = tmp_path / "settings.py"
    settings.write_text(SETTINGS)
    run(tmp_path, BEFORE)

    accounts = tmp_path / "accounts"
    (accounts / "migrations").mkdir(parents=True)
    (accounts / "__init__.py").touch()
    (accounts / "migrations" / "__init__.py").touch()
    (accounts / "apps.py").write_text(app)
    (accounts / "models.py").write_text(stock_model)
    (tmp_path / "adopt.py").write_text(adopt)
    settings.write_text(SETTINGS + OWN_USER)
    run(tmp_path, ADOPT)

    imports = (
        "from django.contrib.auth.models import AbstractUser\n"
        "from anonauth.models import GuestMixin, GuestUserManager\n"
    )
    (accounts / "models.py").write_text(imports + guest_model)
    settings.write_text(SETTINGS + OWN_USER + WITH_ANONAUTH)
    found: dict[str, Any] = json.loads(run(tmp_path, AFTER))

    assert found == {
        "ann": [1, False, ["cooks"]],
        "guests": [found["guest"]],
        "guest": 2,
        "table": "auth_user",
        "indexes": [["last_seen_at"], ["upgraded_at", "guest_since"]],
        "permissions": ["accounts"],
    }
