"""One HTTP request to a service outside, with a deadline that holds."""

from __future__ import annotations

import ssl
from functools import lru_cache
from http.client import HTTPResponse
from ipaddress import ip_address
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

MAX_ANSWER = 64 * 1024  # bytes


def is_safe(url: str) -> bool:
    """Tell whether a secret may be sent there: https, or plain http that stays on this machine."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "http":
            return parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def post_form(url: str, form: dict[str, str], *, seconds: float) -> bytes:
    """Send a form to a URL that ``is_safe`` and return the body of the answer, if that is a 2xx.

    ``seconds`` is for everything together: name lookup, connection, answer. A socket's own timeout
    begins anew with each packet and leaves the name lookup out, so that a service in trouble could
    hold a worker for minutes. The thread that is left behind ends with its socket.

    The HTTPS proxy of the environment (``HTTPS_PROXY``, ``NO_PROXY``) is used: many servers have no
    other way out, and it tunnels TLS, so that it sees neither secret nor answer.

    Raises OSError (also TimeoutError and HTTPError), http.client.HTTPException or ValueError.
    """
    outcome: list[bytes | Exception] = []

    def ask() -> None:
        try:
            outcome.append(_post(url, urlencode(form).encode(), seconds))
        except Exception as error:  # raised below, in the caller's thread
            outcome.append(error)

    thread = Thread(target=ask, name="anonauth-outbound", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the system has no thread left
        raise OSError(str(error)) from error
    thread.join(seconds)
    if not outcome:
        raise TimeoutError
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _post(url: str, body: bytes, seconds: float) -> bytes:
    proxies = ProxyHandler() if urlsplit(url).scheme == "https" else ProxyHandler({})
    opener = build_opener(proxies, _NoRedirect, HTTPSHandler(context=_tls()))
    request = Request(url, data=body, headers={"Accept": "application/json"})  # noqa: S310
    response: HTTPResponse
    try:
        with opener.open(request, timeout=seconds) as response:
            answer = response.read(MAX_ANSWER + 1)
    except HTTPError as error:
        error.close()
        raise
    if len(answer) > MAX_ANSWER:
        raise ValueError("The answer is too long.")
    return answer


class _NoRedirect(HTTPRedirectHandler):
    """SECURITY: a redirect would take the secret elsewhere."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None  # leaves it to the handler that raises HTTPError


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads all certificates: too slow for each request
