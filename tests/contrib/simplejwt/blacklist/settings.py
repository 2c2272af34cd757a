"""The tests' own project with simplejwt's blacklist, which has to be installed when simplejwt is imported."""

from __future__ import annotations

from tests import settings as base
from tests.settings import *  # noqa: F403

BLACKLIST = "rest_framework_simplejwt.token_blacklist"

INSTALLED_APPS = [*base.INSTALLED_APPS, BLACKLIST]
MIGRATION_MODULES = {**base.MIGRATION_MODULES, "token_blacklist": None}
SIMPLE_JWT = {**base.SIMPLE_JWT, "BLACKLIST_AFTER_ROTATION": True}

if base.DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # Not the test database of the run that started this one.
    DATABASES = {"default": {**base.DATABASES["default"], "TEST": {"NAME": "test_blacklist"}}}
