from __future__ import annotations

from tests.projects.base import settings_for

globals().update(
    settings_for(
        "handle_pk",
        username_field="handle",
        email_field=None,
        USER_ID_FIELD="uid",
        USER_ID_CLAIM="sub",
    )
)
