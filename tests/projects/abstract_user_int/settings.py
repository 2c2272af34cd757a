from __future__ import annotations

from tests.projects.base import settings_for

globals().update(settings_for("abstract_user_int", username_field="username"))
