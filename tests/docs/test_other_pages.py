"""The pages with tables of names against the code that has them."""

from __future__ import annotations

import re

from django.dispatch import Signal

import anonauth.signals
from anonauth.adapter import Adapter
from anonauth.api import permissions
from tests.docs.pages import DOCS, ROOT, code, read, rows, section

SOURCES = {path: path.read_text("utf-8") for path in (ROOT / "anonauth").rglob("*.py")}
ALL_SOURCES = "\n".join(SOURCES.values())


def test_the_page_of_checks_has_each_id_once_and_no_other() -> None:
    in_code = set(re.findall(r'"(anonauth\.[EW]\d{3})"', ALL_SOURCES))
    in_page = [code(row[0]) for row in rows(read("checks"))]
    assert sorted(in_page) == sorted(in_code)


def test_the_page_of_checks_says_which_ones_are_for_deployment_only() -> None:
    deploy = set()
    for source in SOURCES.values():
        for part in source.split("@register(")[1:]:
            head, _, body = part.partition("\n")
            if "deploy=True" in head:
                deploy |= set(re.findall(r'id="(anonauth\.[EW]\d{3})"', body))
    assert {code(row[0]) for row in rows(read("checks")) if row[1] == "deploy"} == deploy


def test_the_page_of_the_adapter_has_each_method() -> None:
    methods = {name for name in vars(Adapter) if not name.startswith("_")}
    assert set(re.findall(r"^### (\w+)$", read("adapter"), re.MULTILINE)) == methods
    for name in methods:
        assert f"def {name}(" in section(read("adapter"), name)


def test_the_page_of_signals_has_each_signal_and_each_event() -> None:
    signals = {n for n, v in vars(anonauth.signals).items() if isinstance(v, Signal)}
    assert {code(row[0]) for row in rows(section(read("signals"), "Signals"))} == signals
    events = set(re.findall(r'audit\.record\(\s*"(\w+)"', ALL_SOURCES))
    events |= {"refused", "refusals_suppressed"}
    assert {code(row[0]) for row in rows(section(read("signals"), "Audit log"))} == events


def test_the_page_of_permissions_has_each_class() -> None:
    own = {
        n
        for n, v in vars(permissions).items()
        if isinstance(v, type) and v.__module__ == permissions.__name__
    }
    table = {code(row[0]) for row in rows(section(read("permissions"), "Permissions"))}
    assert own <= table


def test_the_page_of_the_example_has_each_variable_of_the_environment() -> None:
    settings = (ROOT / "example_project" / "settings.py").read_text("utf-8")
    read_there = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', settings))
    first = [row[0] for row in rows(section(read("example"), "Environment"))]
    listed = {name for cell in first for name in re.findall(r"`([A-Z_]+)`", cell)}
    assert listed == read_there


def test_the_index_leads_to_each_page() -> None:
    listed = "\n".join(re.findall(r"```\{toctree\}\n(.*?)```", read("index"), re.DOTALL)).split()
    for page in DOCS.glob("*.md"):
        found = [entry for entry in listed if re.fullmatch(entry.replace("*", ".*"), page.stem)]
        assert found or page.stem == "index"
