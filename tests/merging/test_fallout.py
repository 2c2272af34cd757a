"""What becomes of rows that point at those which a merge drops; ``on_delete`` is asked as the purge asks it."""

from __future__ import annotations

import pytest
from django.db.models import QuerySet

from anonauth.merging.fallout import Fallout
from anonauth.merging.ledger import Ledger
from tests.relations import models as kinds

pytestmark = pytest.mark.django_db


def losing(root: kinds.Root, ledger: Ledger | None = None) -> Fallout:
    rows: QuerySet[kinds.Root] = QuerySet(kinds.Root).filter(pk=root.pk)
    return Fallout([rows], ledger or Ledger("default"))


@pytest.fixture
def root() -> kinds.Root:
    return kinds.Root.objects.create(code="lost")


def test_a_preview_does_not_call_the_function_of_a_set(root: kinds.Root) -> None:
    kinds.Adopted.objects.create(root=root)

    losing(root).note()

    assert list(kinds.Root.objects.all()) == [root]


def test_the_function_of_a_set_is_called_when_the_rows_go(root: kinds.Root) -> None:
    adopted = kinds.Adopted.objects.create(root=root)

    losing(root).delete()

    adopted.refresh_from_db()
    assert adopted.root is not None
    assert adopted.root.code == "last-resort"
    assert not kinds.Root.objects.filter(pk=root.pk).exists()


def test_a_preview_foresees_the_value_of_a_set(root: kinds.Root) -> None:
    kinds.Valued.objects.create(root=root)
    ledger = Ledger("default")

    losing(root, ledger).note()

    assert ledger.having(QuerySet(kinds.Valued), "root_id", root.pk).count() == 0


def test_nothing_becomes_of_rows_with_do_nothing(root: kinds.Root) -> None:
    ignored = kinds.Ignored.objects.create(root=root)
    lost = losing(root)

    lost.delete()

    assert lost.number == 0
    assert kinds.Ignored.objects.filter(pk=ignored.pk, root_id=root.pk).exists()
