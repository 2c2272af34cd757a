"""The page of row-level security: its snippets do what it says."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.test.utils import isolate_apps

from anonauth.contrib.postgres import checks, identity, testing
from anonauth.flows.sign_in import SignInFacts, sign_in
from tests.contrib.postgres.models import Parcel
from tests.docs.pages import blocks, read, section
from tests.testapp.models import Note

PAGE = read("row-security")
MODELS = blocks(section(PAGE, "Rules"), "python")[0]
TEST = blocks(section(PAGE, "Testing"), "python")[0]
MIGRATION = blocks(section(PAGE, "Policies of your own"), "python")[0]


def models_of_the_page() -> dict[str, Any]:
    """Return what the snippet with the models defines, in an app of its own."""
    namespace: dict[str, Any] = {"__name__": "tests.testapp.snippet"}
    exec(compile(MODELS, "models", "exec"), namespace)
    return namespace


@isolate_apps("tests.testapp")
def test_the_models_are_declared_without_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    found = models_of_the_page()
    monkeypatch.setattr(apps, "get_models", lambda: [found["Order"], found["Report"]])
    assert checks.check_declarations(None) == []


@pytest.mark.postgres
@pytest.mark.django_db
def test_the_test_in_the_page_passes_with_a_rule_and_fails_without_one() -> None:
    guest = sign_in(facts=SignInFacts()).user

    def run(create: Callable[[Any], Any]) -> None:
        orders = SimpleNamespace(objects=SimpleNamespace(create=create))
        namespace: dict[str, Any] = {"Order": orders}
        exec(compile(TEST, "test", "exec"), namespace)
        namespace["test_a_guest_places_no_order"](guest)

    run(lambda user: Parcel.objects.create(title="with a rule", owner=user))
    with pytest.raises(AssertionError, match="accepted every statement"):
        run(lambda user: Note.objects.create(text="without", owner=user))


def test_the_migration_is_one_and_can_be_reversed() -> None:
    namespace: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(MIGRATION, "migration", "exec"), namespace)
    operations = namespace["Migration"].operations
    assert all(operation.reversible for operation in operations)
    assert namespace["POLICY"] in operations[-1].sql


def test_the_page_names_each_block_and_each_helper() -> None:
    for module in (identity, testing):
        public = {
            name
            for name, value in vars(module).items()
            if callable(value)
            and getattr(value, "__module__", "") == module.__name__
            and name.startswith(("as_", "refused", "under_"))
        }
        assert public
        for name in public:
            assert f"{name}(" in PAGE
