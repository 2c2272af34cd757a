from __future__ import annotations

import datetime
import ssl
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from anonauth.outbound import is_safe, post_form
from tests.services.captcha import GOOD, CaptchaProvider, server

FORM = {"secret": "the-secret-key", "response": GOOD}


@pytest.fixture
def provider() -> Iterator[CaptchaProvider]:
    with server() as running:
        yield running


@pytest.mark.parametrize("mode", ["silent", "drip", "drip headers"])
def test_the_deadline_holds_however_slowly_the_answer_comes(
    provider: CaptchaProvider, mode: str
) -> None:
    provider.mode = mode
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        post_form(provider.url, FORM, seconds=0.2)
    assert time.monotonic() - begin < 2  # the drip alone would take minutes


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_a_redirect_is_not_followed(provider: CaptchaProvider, status: str) -> None:
    provider.mode = status
    with pytest.raises(OSError, match=status):
        post_form(provider.url, FORM, seconds=3)
    assert len(provider.forms) == 1


def test_an_answer_above_64_kib_is_refused(provider: CaptchaProvider) -> None:
    provider.mode = "huge"
    with pytest.raises(ValueError, match="too long"):
        post_form(provider.url, FORM, seconds=3)


def test_a_certificate_that_nobody_vouches_for_gets_no_secret(tmp_path: Path) -> None:
    with server(tls=_self_signed(tmp_path)) as impostor:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            post_form(impostor.url, FORM, seconds=3)
        assert impostor.forms == []


def test_the_https_proxy_of_the_environment_sees_the_host_alone(
    provider: CaptchaProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", provider.url)
    monkeypatch.delenv("https_proxy", raising=False)
    with pytest.raises(OSError, match="502"):
        post_form("https://captcha.example/siteverify", FORM, seconds=3)
    (seen,) = provider.tunnels
    assert seen.startswith("captcha.example:443\n")
    assert FORM["secret"] not in seen
    assert provider.forms == []


def test_plain_http_on_loopback_never_takes_a_proxy(
    provider: CaptchaProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1/")
    assert b"true" in post_form(provider.url, FORM, seconds=3)


def test_a_system_without_threads_left_is_like_a_network_that_is_down(
    provider: CaptchaProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)
    with pytest.raises(OSError, match="new thread"):
        post_form(provider.url, FORM, seconds=3)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://captcha.example/verify", True),
        ("HTTPS://captcha.example/verify", True),
        ("http://127.0.0.1:8000/", True),
        ("http://[::1]:8000/", True),
        ("http://localhost/", True),
        ("http://captcha.example/", False),
        ("http://localhost.example/", False),
        ("http://127.0.0.1@captcha.example/", False),
        ("http://10.0.0.1/", False),
        ("https:///verify", False),
        ("https://[", False),
        ("file:///etc/passwd", False),
        ("ftp://captcha.example/", False),
        ("captcha.example", False),
        ("", False),
    ],
)
def test_a_secret_is_sent_by_https_or_not_over_the_network(url: str, safe: bool) -> None:
    assert is_safe(url) is safe


def _self_signed(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "impostor.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
