from __future__ import annotations

from typing import Any

import pytest
from allauth.core.internal.httpkit import get_client_ip
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from anonauth.client_ip import UNKNOWN, client_ip, network_key

PEER = "192.0.2.1"


def ip(
    forwarded: str | None = None,
    *,
    count: int = 0,
    header: str | None = None,
    **meta: Any,
) -> str | None:
    if forwarded is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded
    request = RequestFactory().post("/", **{"REMOTE_ADDR": PEER, **meta})
    return client_ip(request, trusted_proxy_count=count, trusted_header=header)


def test_no_header_is_believed_by_default() -> None:
    assert ip("203.0.113.9", HTTP_X_REAL_IP="203.0.113.9", HTTP_FORWARDED="for=203.0.113.9") == PEER


@pytest.mark.parametrize(
    ("forwarded", "count", "expected"),
    [
        ("203.0.113.9", 1, "203.0.113.9"),
        ("203.0.113.9, 198.51.100.1", 1, "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1", 2, "203.0.113.9"),
        ("6.6.6.6,7.7.7.7 , 203.0.113.9,198.51.100.1", 2, "203.0.113.9"),
        ("203.0.113.9:1234", 1, "203.0.113.9"),
        ("2001:db8::1", 1, "2001:db8::1"),
        ("2001:0DB8:0::0001", 1, "2001:db8::1"),
        ("[2001:db8::1]", 1, "2001:db8::1"),
        ("[2001:db8::1]:1234", 1, "2001:db8::1"),
        ("fe80::1%eth0", 1, "fe80::1"),
        ("[fe80::1%25eth0]:80", 1, "fe80::1"),
        ("::ffff:203.0.113.9", 1, "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", 1, "203.0.113.9"),
    ],
)
def test_the_entry_of_our_outermost_proxy_counts(forwarded: str, count: int, expected: str) -> None:
    assert ip(forwarded, count=count) == expected


@pytest.mark.parametrize(
    "forwarded",
    [
        None,
        "",
        " ",
        ",",
        ",,,",
        "203.0.113.9",  # one entry, two proxies: the client wrote it himself
        "unknown, 198.51.100.1",
        "_hidden, 198.51.100.1",
        "unix:, 198.51.100.1",
        "203.0.113.9.5, 198.51.100.1",
        "203.0.113.9:x, 198.51.100.1",
        "[2001:db8::1, 198.51.100.1",
        "2001:db8::1]:80, 198.51.100.1",
        "for=203.0.113.9, 198.51.100.1",
        "\x00, 198.51.100.1",
        "٣.٣.٣.٣, 198.51.100.1",
        "1" * 5000 + ", 198.51.100.1",
    ],
)
def test_a_header_that_cannot_be_means_the_peer(forwarded: str | None) -> None:
    assert ip(forwarded, count=2) == PEER


@examples(max_examples=30)
@given(st.text(), st.integers(min_value=-1, max_value=4))
def test_no_header_is_a_server_error(forwarded: str, count: int) -> None:
    network_key(ip(forwarded, count=count))
    network_key(forwarded)


def test_a_named_header_wins_and_the_other_is_not_looked_at() -> None:
    named: Any = {"header": "CF-Connecting-IP", "count": 1}
    assert ip("6.6.6.6", HTTP_CF_CONNECTING_IP="203.0.113.9", **named) == "203.0.113.9"
    assert ip("6.6.6.6", **named) == PEER
    assert ip("6.6.6.6", HTTP_CF_CONNECTING_IP="junk", **named) == PEER
    assert ip("6.6.6.6", HTTP_CF_CONNECTING_IP="203.0.113.9, 6.6.6.6", **named) == PEER


@pytest.mark.parametrize("remote", ["", None, "unix:", "@"])
def test_a_unix_socket_has_no_address(remote: str | None) -> None:
    assert ip(REMOTE_ADDR=remote) is None
    assert ip("203.0.113.9", count=1, REMOTE_ADDR=remote) == "203.0.113.9"


def test_a_request_without_remote_addr_has_no_address() -> None:
    request = RequestFactory().post("/")
    del request.META["REMOTE_ADDR"]
    assert client_ip(request, trusted_proxy_count=1, trusted_header=None) is None


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("header", [None, "X-Real-IP"])
@pytest.mark.parametrize(
    "forwarded", ["203.0.113.9, 198.51.100.1", "[2001:db8::1]:80, 203.0.113.9:1", "a, b, c, ::1"]
)
def test_allauth_sees_the_same_address(count: int, header: str | None, forwarded: str) -> None:
    headers: Any = {"HTTP_X_FORWARDED_FOR": forwarded, "HTTP_X_REAL_IP": "203.0.113.77"}
    request = RequestFactory().post("/", REMOTE_ADDR=PEER, **headers)
    ours = client_ip(request, trusted_proxy_count=count, trusted_header=header)
    with override_settings(
        ALLAUTH_TRUSTED_PROXY_COUNT=count, ALLAUTH_TRUSTED_CLIENT_IP_HEADER=header
    ):
        assert ours == (get_client_ip(request) or PEER)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("192.0.2.1", "::ffff:c000:201"),
        ("192.0.2.1", "192.0.2.1:4711"),
        ("192.0.2.1", "2002:c000:201::1"),
        ("192.0.2.1", "2002:c000:201:ffff::1"),
        ("192.0.2.1", "64:ff9b::c000:201"),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("2001:db8::1", "2001:0db8:0000:0000::2"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_these_share_a_limit(one: str, other: str) -> None:
    assert network_key(one) == network_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("64:ff9b::c000:201", "64:ff9b::c000:202"),
        ("2001:db8::1", "2001:db8:0:1::1"),
        ("::1", "127.0.0.1"),
    ],
)
def test_these_do_not(one: str, other: str) -> None:
    assert network_key(one) != network_key(other)


@pytest.mark.parametrize("nothing", [None, "", "junk", "unix:"])
def test_whoever_has_no_address_shares_one_limit(nothing: str | None) -> None:
    assert network_key(nothing) == UNKNOWN
