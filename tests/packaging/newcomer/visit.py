"""One visitor, over real HTTP, against the installed package."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any
from urllib.request import Request, urlopen
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.core.wsgi import get_wsgi_application

import anonauth


class Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Log nothing."""


def call(url: str, data: bytes | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
    with urlopen(Request(url, data=data, headers=headers), timeout=30) as response:
        return response.status, json.load(response)


def main() -> None:
    application = get_wsgi_application()
    where = anonauth.__file__
    if not where.startswith(sys.prefix):
        sys.exit(f"anonauth was imported from {where}, not from the installed wheel")
    with make_server("127.0.0.1", 0, application, handler_class=Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}/auth"
        status, body = call(f"{root}/anonymous/", b"{}", **{"Content-Type": "application/json"})
        if status != 201 or body["user"]["is_anonymous"] is not True:
            sys.exit(f"anonymous/ answered {status} {body}")
        status, me = call(f"{root}/user/", Authorization=f"Bearer {body['access']}")
        if status != 200 or me["id"] != body["user"]["id"]:
            sys.exit(f"user/ answered {status} {me}")
        server.shutdown()
    sys.stdout.write(f"Django {django.get_version()}, anonauth {anonauth.__version__}: {me}\n")


if __name__ == "__main__":
    main()
