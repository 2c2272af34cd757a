"""The list of what is pending shows nobody's address and no secret."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from anonauth.admin.records import mask
from anonauth.models import PendingUpgrade
from tests.admin.conftest import StaffMaker

pytestmark = pytest.mark.django_db
LIST = "/admin/anonauth/pendingupgrade/"


@pytest.fixture
def pending(guest: Any) -> PendingUpgrade:
    return PendingUpgrade.objects.create(
        user=guest,
        method="email",
        target="ada.lovelace@example.org",
        code_hash="c0de" * 16,
        password="md5$salt$hash",
        name="Ada Lovelace",
        expires_at=timezone.now() + timedelta(minutes=5),
    )


def test_neither_address_nor_code_nor_password_is_on_the_pages(
    boss: Client, pending: PendingUpgrade
) -> None:
    for path in (LIST, f"{LIST}{pending.pk}/change/"):
        page = boss.get(path)
        text = page.content.decode()
        assert page.status_code == 200
        assert "a…@e….org" in text
        for secret in ("lovelace", "Lovelace", "example", "c0de", "md5$"):
            assert secret not in text


def test_whoever_knows_the_whole_address_finds_it(boss: Client, pending: PendingUpgrade) -> None:
    def found(query: str) -> int:
        return len(boss.get(LIST, {"q": query}).context["cl"].result_list)

    assert found("ada.lovelace@example.org") == 1
    assert found("ada") == 0


def test_it_can_be_read_only(boss: Client, pending: PendingUpgrade) -> None:
    assert boss.get(f"{LIST}add/").status_code == 403
    answer = boss.post(f"{LIST}{pending.pk}/change/", {"target": "x@example.org"})
    assert answer.status_code == 403
    assert boss.post(f"{LIST}{pending.pk}/delete/", {"post": "yes"}).status_code == 403
    assert PendingUpgrade.objects.get().target == "ada.lovelace@example.org"


def test_it_needs_its_permission(staff: StaffMaker, pending: PendingUpgrade) -> None:
    assert staff("view_user").get(LIST).status_code == 403


def test_with_the_permission_alone_it_is_shown(staff: StaffMaker, pending: PendingUpgrade) -> None:
    assert staff("view_pendingupgrade").get(LIST).status_code == 200


@pytest.mark.parametrize(
    ("target", "masked"),
    [
        ("ada@example.org", "a…@e….org"),
        ("a@b.co.uk", "a…@b….uk"),
        ("a@localhost", "a…@…localhost"),
        ("+4917012345678", "…78"),
    ],
)
def test_of_an_address_the_ends_are_left(target: str, masked: str) -> None:
    assert mask(target) == masked
