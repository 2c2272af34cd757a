"""The settings."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from django.test import override_settings

from anonauth.conf import NAMES, Settings, get_settings, unknown_names

if TYPE_CHECKING:
    from pytest_django import Settings as DjangoSettings


def test_an_override_is_seen_at_once_and_goes_again() -> None:
    assert get_settings().max_guests is None
    with override_settings(ANONAUTH_MAX_GUESTS=7):
        assert get_settings().max_guests == 7
    assert get_settings().max_guests is None


def test_reading_is_cached() -> None:
    assert get_settings() is get_settings()


def test_lists_are_taken_as_tuples(settings: DjangoSettings) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["1/h", "5/d"]

    assert get_settings().rate_limits == ("1/h", "5/d")


def test_a_name_that_means_nothing_is_found(settings: DjangoSettings) -> None:
    settings.ANONAUTH_RATELIMITS = []

    assert unknown_names() == ["ANONAUTH_RATELIMITS"]


def test_every_setting_is_explained_in_a_sentence() -> None:
    for field in fields(Settings):
        assert field.metadata["help"].endswith("."), field.name
    assert len(NAMES) == len(fields(Settings))
