"""The figures on code of others: what the documentation says is what was recorded."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.access.foreign.measure import figures, labelled, recorded, rows
from tests.access.foreign.projects import FIRST, SECOND
from tests.docs.pages import read, section
from tests.docs.pages import rows as table_rows

PAGE = read("access-audit")
RUNS = [("first", "before"), ("first", "after"), ("second", "before"), ("second", "after")]


@pytest.mark.parametrize(("sample", "run"), RUNS)
def test_the_table_has_the_figures_of_what_was_recorded(sample: str, run: str) -> None:
    found = figures(recorded(sample, run))

    (row,) = [
        r for r in table_rows(section(PAGE, "How often it is right")) if r[:2] == [sample, run]
    ]
    assert row[2:] == [
        str(found.settled),
        str(found.right),
        str(found.unknown),
        str(found.wrong),
        f"{found.claimed_truly} of {found.claimed}",
        f"{found.claimed_truly} of {found.truly}",
        str(found.missed),
    ]


def test_both_samples_are_as_large_as_the_page_says_and_from_the_packages_it_names() -> None:
    for sample, projects, size in (("first", FIRST, 100), ("second", SECOND, 99)):
        labels = labelled(sample)
        assert len(labels) == size
        assert len(set(Counter(row["project"] for row in labels).values())) == 1
        assert {row["project"] for row in labels} == set(projects)
        assert all(row["label"] and row["why"] for row in labels)
        for project in projects.values():
            assert project.packages[0] in PAGE


def test_no_view_that_lets_guests_in_was_called_closed() -> None:
    assert [figures(recorded(*run)).missed for run in RUNS] == [0, 0, 0, 0]
    assert {row["verdict"] for row in rows("verdicts.csv")} <= {
        "visitor",
        "guest",
        "permanent",
        "closed",
        "unknown",
        "none",
    }
