"""Staff of several kinds, and a guest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

User: Any = get_user_model()
USERS = "/admin/testapp/user/"

StaffMaker = Callable[..., Client]


@pytest.fixture
def staff() -> StaffMaker:
    """Make a browser of somebody who may do what is named, e.g. ``staff("view_user")``."""

    def make(*codenames: str, **options: Any) -> Client:
        user = User.objects.create_user("staff", is_staff=True)
        found = Permission.objects.filter(codename__in=codenames)
        assert found.count() == len(codenames)
        user.user_permissions.set(found)
        client = Client(**options)
        client.force_login(user)
        return client

    return make


@pytest.fixture
def boss() -> Client:
    """Give the browser of a superuser."""
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def guest() -> Any:
    now = timezone.now()
    since = now - timedelta(days=2)
    return User.objects.create_user("guest-1", is_guest=True, guest_since=since, last_seen_at=now)


def act(client: Client, action: str, *users: Any, **data: Any) -> Any:
    """Send an action of the list of users, as its form or the page that asks does."""
    keys = [str(user.pk) for user in users]
    return client.post(USERS, {"action": action, "_selected_action": keys, **data}, follow=True)


def said(response: Any) -> list[str]:
    """Return the messages on a page."""
    return [str(message) for message in response.context["messages"]]
