"""A captcha provider on loopback: a real HTTP server that answers, or misbehaves, as a test asks."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl

GOOD = "a-token-that-the-provider-accepts"


@dataclass
class CaptchaProvider:
    """What the server does and what it was sent."""

    url: str
    mode: str = "answer"
    answer: Any = None  # JSON instead of the usual answer
    forms: list[dict[str, str]] = field(default_factory=list)
    tunnels: list[str] = field(default_factory=list)  # requests for CONNECT, with their headers
    closing: Event = field(default_factory=Event)

    def body(self, form: dict[str, str]) -> bytes:
        """Return what ``siteverify`` says."""
        if self.mode == "junk":
            return b"<html>maintenance</html>"
        if self.mode == "deep":
            return b"[" * 60_000
        if self.mode == "huge":
            return b'{"success": true, "padding": "' + b"x" * 70_000 + b'"}'
        if self.answer is not None:
            return json.dumps(self.answer).encode()
        if form.get("response") == GOOD:
            return b'{"success": true, "hostname": "shop.example", "action": "signin"}'
        return b'{"success": false, "error-codes": ["invalid-input-response"]}'


class _Handler(BaseHTTPRequestHandler):
    provider: CaptchaProvider

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name)
        """Keep quiet."""

    def do_CONNECT(self) -> None:
        self.provider.tunnels.append(f"{self.path}\n{self.headers}")
        self.send_error(502)

    def do_GET(self) -> None:  # where the redirects lead to: a trap
        self.provider.forms.append({})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"success": true}')

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = dict(parse_qsl(self.rfile.read(length).decode()))
        self.provider.forms.append(form)
        with contextlib.suppress(OSError):  # the client is gone
            self.reply(form)

    def reply(self, form: dict[str, str]) -> None:
        mode = self.provider.mode
        if mode == "silent":
            self.provider.closing.wait()
            return
        if mode == "hang up":
            return
        if mode == "no http":
            self.wfile.write(b"SSH-2.0-OpenSSH\r\n")
            return
        if mode == "drip headers":
            self.drip(b"HTTP/1.0 200 OK\r\nX-Padding: " + b"x" * 10_000)
            return
        status = int(mode) if mode.isdecimal() else 200
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{self.provider.url}elsewhere")
        body = self.provider.body(form)
        if mode == "cut":
            self.send_header("Content-Length", str(len(body)))
            body = body[:-1]
        self.end_headers()
        if mode == "drip":
            self.drip(b" " * 10_000)
        self.wfile.write(body)

    def drip(self, data: bytes) -> None:
        for index in range(len(data)):
            self.wfile.write(data[index : index + 1])
            if self.provider.closing.wait(0.02):
                return


@contextlib.contextmanager
def server(tls: ssl.SSLContext | None = None) -> Iterator[CaptchaProvider]:
    """Run a provider while the block runs."""
    handler = type("Handler", (_Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    if tls is not None:
        # Not at accept(): a failed handshake would end the server's thread instead of the connection's.
        http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if tls is None else "https"
    provider = handler.provider = CaptchaProvider(f"{scheme}://127.0.0.1:{http.server_port}/")  # type: ignore[attr-defined]
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        provider.closing.set()
        http.shutdown()
        http.server_close()
        thread.join()
