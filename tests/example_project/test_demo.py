"""One command starts the example shop."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.example_project import demo

pytestmark = [pytest.mark.demo, pytest.mark.slow]


def test_the_demo_prepares_its_database_and_names_the_accounts(tmp_path: Path) -> None:
    database = tmp_path / "shop.sqlite3"
    outputs = []
    for _time in range(2):
        run = subprocess.run(
            demo.command("--no-serve", "--port", "8765"),
            cwd=demo.ROOT,
            env=demo.environment(database),
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        outputs.append(run.stdout)
    assert outputs[0] == outputs[1]
    assert "http://localhost:8765/" in outputs[0]
    assert "customer@example.com" in outputs[0]
    shop = demo.Demo("", database, database)
    assert shop.rows("SELECT count(*) FROM shop_product") == [(12,)]
    assert shop.guests() == []


def test_a_dry_run_of_the_purge_on_the_demos_data_is_for_everybody_to_read(tmp_path: Path) -> None:
    database = tmp_path / "shop.sqlite3"
    outputs = []
    for arguments in (
        ["demo", "--no-serve"],
        *[["purge_anonymous", "--dry-run", "--skip-checks"]] * 2,
    ):
        run = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=demo.ROOT,
            env=demo.environment(database),
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        outputs.append(run.stdout)

    assert outputs[1] == outputs[2]
    assert outputs[1].strip().splitlines() == [
        "7 guests not seen for 30 days would be deleted.",
        "What goes with them:",
        "  12  cart items (shop.CartItem)",
        "   8  product-user relationships (shop.Product_wished_by)",
        "   7  users (accounts.User)",
        "1 guest kept, because something of theirs must not be deleted.",
        "This was a dry run: nothing was deleted.",
    ]


@pytest.mark.parametrize(
    ("arguments", "changes", "said"),
    [
        (["--port", "99999"], {}, "Choose a port from 1 to"),
        (["--no-serve"], {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}, "The database"),
    ],
)
def test_the_demo_says_in_one_line_what_is_wrong(
    tmp_path: Path, arguments: list[str], changes: dict[str, str], said: str
) -> None:
    run = subprocess.run(
        demo.command(*arguments),
        cwd=demo.ROOT,
        env={**demo.environment(tmp_path / "shop.sqlite3"), **changes},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith(f"CommandError: {said}")
    assert len(run.stderr.splitlines()) == 1


def test_the_demo_refuses_to_run_without_debug(tmp_path: Path) -> None:
    environment = demo.environment(tmp_path / "shop.sqlite3")
    run = subprocess.run(
        demo.command("--no-serve"),
        cwd=demo.ROOT,
        env={**environment, "DEBUG": "0", "SECRET_KEY": "x" * 50},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "does not run with DEBUG off" in run.stderr


def test_the_demo_takes_another_port_when_its_own_is_taken() -> None:
    with contextlib.closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with demo.running(taken) as shop:
            assert f"Port {taken} is in use" in shop.log.read_text("utf-8")
            assert shop.url != f"http://localhost:{taken}"


def test_a_client_of_the_running_demo_is_signed_in_as_documented() -> None:
    with demo.running(demo.free_port()) as shop:
        with contextlib.closing(http.client.HTTPConnection(shop.url.split("/")[2])) as client:
            client.request("POST", "/auth/anonymous/")
            answer = client.getresponse()
            body = json.load(answer)
        assert answer.status == 201
        assert body["user"]["is_anonymous"] is True
        assert [body["user"]["id"].replace("-", "")] == shop.guests()
