"""``{% load anonauth %}`` in a project's templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import Context, RequestContext, Template
from django.test import RequestFactory

from tests.testapp.models import User

if TYPE_CHECKING:
    from pytest_django import Settings

WHO = (
    "{% load anonauth %}{% if user|is_guest %}guest{% elif user|is_permanent %}permanent"
    "{% else %}visitor{% endif %}"
)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (AnonymousUser(), "visitor"),
        (User(is_guest=True), "guest"),
        (User(), "permanent"),
        (None, "visitor"),
    ],
)
def test_a_template_can_tell_who_looks_at_it(user: Any, expected: str) -> None:
    assert Template(WHO).render(Context({"user": user})) == expected


def test_a_template_without_any_user_sees_a_visitor() -> None:
    assert Template(WHO).render(Context()) == "visitor"


def test_the_link_to_the_upgrade_has_the_way_back(settings: Settings) -> None:
    settings.ANONAUTH_UPGRADE_URL = "/keep/"
    request = RequestFactory().get("/cart/", {"page": "2"})

    def link(arguments: str = "") -> str:
        template = Template("{% load anonauth %}{% upgrade_url " + arguments + " %}")
        return template.render(RequestContext(request, {"request": request}))

    assert link() == "/keep/?next=%2Fcart%2F%3Fpage%3D2"
    assert link("'/checkout/'") == "/keep/?next=%2Fcheckout%2F"
    assert link("''") == "/keep/"


def test_without_a_request_the_link_has_no_way_back(settings: Settings) -> None:
    settings.ANONAUTH_UPGRADE_URL = None
    settings.LOGIN_URL = "/in/"

    assert Template("{% load anonauth %}{% upgrade_url %}").render(Context()) == "/in/"
