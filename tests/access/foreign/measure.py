"""Compare the verdicts with the labels: ``python -m tests.access.foreign.measure first [NAME OF THE RUN]``.

Needs the packages that ``projects`` names, and nothing of this repository but anonauth itself. A directory for the
projects' databases is named by FOREIGN_VAR.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LABELLED = ("project", "url", "view", "method", "label")
JUDGED = ("verdict", "reason")
RECORDED = ("project", "url", "view", "method", *JUDGED)
SETTLED = ("visitor", "guest", "permanent", "closed")


@dataclass(frozen=True)
class Pair:
    """One labelled pair and what the audit said of it."""

    project: str
    url: str
    view: str
    method: str
    label: str
    verdict: str
    reason: str

    @property
    def is_open(self) -> bool:
        """Whether a guest gets in, by the label."""
        return self.label in {"visitor", "guest"}

    @property
    def said_open(self) -> bool:
        """Whether a guest gets in, by the audit."""
        return self.verdict in {"visitor", "guest"}


def main(sample: str, record_as: str = "") -> None:
    """Print the score of a sample, and each pair on which audit and label differ; keep the verdicts if asked to."""
    pairs = list(judged(sample))
    if record_as:
        record(pairs, sample, record_as)
    for line in (*score(pairs), "", *differences(pairs)):
        print(line)


def record(pairs: list[Pair], sample: str, run: str) -> None:
    """Write the verdicts of a run into ``verdicts.csv``, in the place of an earlier run of that name."""
    others = [row for row in rows("verdicts.csv") if (row["sample"], row["run"]) != (sample, run)]
    own = [{"sample": sample, "run": run, **{k: getattr(p, k) for k in RECORDED}} for p in pairs]
    with (HERE / "verdicts.csv").open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("sample", "run", *RECORDED), lineterminator="\n")
        writer.writeheader()
        writer.writerows(others + own)


def recorded(sample: str, run: str) -> list[Pair]:
    """Return the pairs of a sample with the verdicts that were kept of a run."""
    verdicts = {
        (row["project"], row["url"], row["view"], row["method"]): row
        for row in rows("verdicts.csv")
        if (row["sample"], row["run"]) == (sample, run)
    }
    found = []
    for row in labelled(sample):
        kept = verdicts[row["project"], row["url"], row["view"], row["method"]]
        found.append(Pair(**{k: row[k] for k in LABELLED}, **{k: kept[k] for k in JUDGED}))
    return found


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a file beside this one."""
    with (HERE / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def labelled(sample: str) -> list[dict[str, str]]:
    """Return the labels of a sample."""
    return [row for row in rows("labels.csv") if row["sample"] == sample]


def judged(sample: str) -> Iterable[Pair]:
    """Run the audit over each project of a sample."""
    labels = labelled(sample)
    for project in dict.fromkeys(row["project"] for row in labels):
        verdicts = verdicts_of(project)
        for row in (row for row in labels if row["project"] == project):
            key = f"{row['url']} {row['view']} {row['method']}"
            verdict, reason = verdicts.get(key, ("none", "not answered"))
            yield Pair(
                project, row["url"], row["view"], row["method"], row["label"], verdict, reason
            )


def verdicts_of(project: str) -> dict[str, tuple[str, str]]:
    """Return the audit's verdicts on one project, which needs a process of its own."""
    environment = {
        **os.environ,
        "FOREIGN_PROJECT": project,
        "DJANGO_SETTINGS_MODULE": "tests.access.foreign.settings",
    }
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.access.foreign.judge"],
        cwd=HERE.parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, tuple[str, str]] = json.loads(run.stdout.splitlines()[-1])["verdicts"]
    return found


@dataclass(frozen=True)
class Score:
    """The figures of a sample.

    Precision and recall are those of the claim "a guest gets in"; pairs whose answer depends on rows, settings or
    another credential are left out, and so are those that are not answered at all.
    """

    settled: int
    right: int
    unknown: int
    wrong: int
    claimed: int
    claimed_truly: int
    truly: int
    missed: int


def figures(pairs: list[Pair]) -> Score:
    """Return the figures of docs/access-audit.md."""
    settled = [p for p in pairs if p.label in SETTLED]
    right = sum(p.label == p.verdict for p in settled)
    unknown = sum(p.verdict == "unknown" for p in settled)
    claimed, truly = [p for p in settled if p.said_open], [p for p in settled if p.is_open]
    return Score(
        settled=len(settled),
        right=right,
        unknown=unknown,
        wrong=len(settled) - right - unknown,
        claimed=len(claimed),
        claimed_truly=sum(p.is_open for p in claimed),
        truly=len(truly),
        missed=sum(p.verdict in {"permanent", "closed"} for p in truly),
    )


def score(pairs: list[Pair]) -> list[str]:
    """Return the figures as lines."""
    found = figures(pairs)
    others = Counter((p.label, p.verdict) for p in pairs if p.label not in SETTLED)
    return [
        f"{len(pairs)} pairs, {found.settled} with a settled label: {found.right} right, "
        f"{found.unknown} unknown, {found.wrong} wrong",
        f"a guest gets in: precision {found.claimed_truly} of {found.claimed}, "
        f"recall {found.claimed_truly} of {found.truly}, open, called closed: {found.missed}",
        "others: "
        + ", ".join(f"{n} {label} judged {v}" for (label, v), n in sorted(others.items())),
    ]


def differences(pairs: list[Pair]) -> list[str]:
    """Return the pairs on which audit and label differ."""
    return [
        f"{p.project} {p.method} {p.url} {p.view}: {p.label}, judged {p.verdict} ({p.reason})"
        for p in pairs
        if p.label != p.verdict
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
