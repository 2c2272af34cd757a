"""An OpenID Connect provider on loopback: real HTTP, real RS256 keys, and tokens as wrong as a test asks for."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "the-shop"
KEY_ID = "key-1"


@cache
def key(name: str = "the provider's") -> rsa.RSAPrivateKey:
    """Return an RSA key by name; making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class OIDCProvider:
    """Who logs in at the server, and what it answers."""

    url: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    mode: str = "answer"
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)  # queries of /authorize

    def reset(self) -> None:
        """Let everything be as it should be."""
        key()  # threads that ask for it at the same time would each make one
        self.person = {"sub": "u1", "email": "zoe@example.com", "email_verified": True}
        self.mode = "answer"
        self.codes.clear()
        self.asked.clear()

    def id_token(self, *, signer: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        """Return an id token for the person; a claim that is None is left out.

        Args:
            signer: the key to sign with; default: the provider's.
            algorithm: how to sign.
            claims: what to change, e.g. ``aud="another-app"``.
        """
        now = int(time.time())
        usual = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        body = {**usual, "jti": secrets.token_hex(8), **self.person, **claims}
        body = {name: value for name, value in body.items() if value is not None}
        if algorithm == "HS256-with-the-public-key":
            return _hmac_with_public_key(body)
        signing_key: Any = None if algorithm == "none" else signer or key()
        return jwt.encode(body, signing_key, algorithm=algorithm, headers={"kid": KEY_ID})

    def log_in(self, url: str) -> str:
        """Log the person in at the URL that a browser was sent to; return where it is sent next."""
        query = dict(parse_qsl(urlsplit(url).query))
        self.asked.append(query)
        if self.mode == "deny":
            answer = {"error": "access_denied", "state": query["state"]}
        else:
            code = secrets.token_hex(8)
            self.codes[code] = dict(self.person)
            answer = {"code": code, "state": query["state"]}
        return f"{query['redirect_uri']}?{urlencode(answer)}"


def _hmac_with_public_key(body: dict[str, Any]) -> str:
    # PyJWT refuses to do this, which attackers do.
    import hmac

    def encode(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    header = {"alg": "HS256", "kid": KEY_ID, "typ": "JWT"}
    signed = encode(json.dumps(header).encode()) + b"." + encode(json.dumps(body).encode())
    public = json.dumps(_jwk()).encode()
    return (signed + b"." + encode(hmac.new(public, signed, hashlib.sha256).digest())).decode()


def _jwk() -> dict[str, Any]:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key().public_key()))
    return {**public, "kid": KEY_ID, "alg": "RS256", "use": "sig"}


class _Handler(BaseHTTPRequestHandler):
    provider: OIDCProvider

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name)
        """Keep quiet."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self.provider.mode == "down":
            self.send_error(503)
        elif path == "/.well-known/openid-configuration":
            self.answer(self.configuration())
        elif path == "/jwks":
            self.answer({"keys": [_jwk()]})
        elif path == "/userinfo":
            self.answer(self.provider.codes[self.headers["Authorization"].split()[1]])
        elif path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.provider.log_in(self.path))
            self.end_headers()
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if self.provider.mode == "no token" or form["code"] not in self.provider.codes:
            self.send_error(400)
            return
        person = self.provider.codes[form["code"]]
        token = self.provider.id_token(**person)
        self.answer({"access_token": form["code"], "token_type": "bearer", "id_token": token})

    def configuration(self) -> dict[str, Any]:
        url = self.provider.url
        return {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "userinfo_endpoint": f"{url}/userinfo",
            "jwks_uri": f"{url}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def answer(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def server() -> Iterator[OIDCProvider]:
    """Run a provider while the block runs."""
    handler = type("Handler", (_Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    provider = handler.provider = OIDCProvider(f"http://127.0.0.1:{http.server_port}")  # type: ignore[attr-defined]
    provider.reset()
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def settings_for(provider: OIDCProvider, *, name: str = "fake", **more: Any) -> dict[str, Any]:
    """Return SOCIALACCOUNT_PROVIDERS with this provider as ``name``."""
    app = {
        "provider_id": name,
        "name": name.title(),
        "client_id": CLIENT_ID,
        "secret": "s",
        "settings": {"server_url": provider.url, **more},
    }
    return {"openid_connect": {"APPS": [app]}}
