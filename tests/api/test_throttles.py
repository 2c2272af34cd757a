from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.core.management import call_command
from django.test import RequestFactory
from django.utils import timezone

from anonauth.api.throttles import check_rate_limits
from anonauth.client_ip import client_ip
from anonauth.exceptions import RateLimited, RateLimitUnavailable
from tests.client import Api
from tests.services import redis as redis_service

if TYPE_CHECKING:
    from pytest_django import Settings

REDIS = "django.core.cache.backends.redis.RedisCache"


class BrokenCache(LocMemCache):
    """A cache whose code has a bug."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """Stumble."""
        raise TypeError("a bug")


class SilentCache(LocMemCache):
    """What some clients do when the server is gone: they add nothing and know of nothing."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """Not do it."""
        return False

    def incr(self, *args: Any, **kwargs: Any) -> int:
        """Not find it."""
        raise ValueError


class ForgetfulCache(LocMemCache):
    """A cache that is too small: what it has just said to have is gone."""

    def add(self, key: str, *args: Any, **kwargs: Any) -> bool:
        """Drop what is in the way, but only after having said so."""
        added = super().add(key, *args, **kwargs)
        if not added:
            self.delete(key)
        return added


class OwnRedisCache(RedisCache):
    """A project's own cache: what it changed is not known, so it is only used as documented."""


@pytest.fixture
def own_redis(settings: Settings) -> Iterator[Any]:
    """Give a client of a Redis that the test may ill-treat; it is the default cache."""
    import redis

    binary = redis_service.find()
    assert binary is not None
    with redis_service.server(binary) as url:
        options = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}
        settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": url, "OPTIONS": options}}
        client = redis.Redis.from_url(url)
        yield client
        client.close()
    caches["default"].close()


def hit(*rates: str, ip: str | None = "192.0.2.1", group: str = "test") -> None:
    check_rate_limits(group=group, rates=rates, ip=ip)


def passes(*rates: str, **kwargs: Any) -> bool:
    try:
        hit(*rates, **kwargs)
    except RateLimited:
        return False
    return True


every_cache = pytest.mark.parametrize(
    "kind",
    [
        "local memory",
        "files",
        "database",
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("a redis of the project's own", marks=pytest.mark.redis),
    ],
)


@pytest.fixture
def counts_in(
    kind: str, request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> Iterator[None]:
    django = "django.core.cache.backends"
    match kind:
        case "local memory":
            config = {"BACKEND": f"{django}.locmem.LocMemCache", "LOCATION": "limits"}
        case "files":
            config = {"BACKEND": f"{django}.filebased.FileBasedCache", "LOCATION": str(tmp_path)}
        case "database":
            config = {"BACKEND": f"{django}.db.DatabaseCache", "LOCATION": "counts"}
        case "redis":
            config = {"BACKEND": REDIS, "LOCATION": request.getfixturevalue("redis_url")}
        case _:
            own = f"{__name__}.OwnRedisCache"
            config = {"BACKEND": own, "LOCATION": request.getfixturevalue("redis_url")}
    settings.CACHES = {"default": config}
    if kind == "database":
        request.getfixturevalue("db")
        call_command("createcachetable")
    caches["default"].clear()
    yield
    caches["default"].clear()
    caches["default"].close()


@every_cache
def test_attempts_pass_up_to_the_limit_and_no_further(counts_in: None) -> None:
    assert [passes("3/d") for _ in range(5)] == [True, True, True, False, False]


@every_cache
def test_each_window_counts_for_itself_in_every_cache(counts_in: None) -> None:
    assert [passes("2/d", "5/7d") for _ in range(4)] == [True, True, False, False]
    assert [passes("5/7d") for _ in range(2)] == [True, False]


@pytest.mark.parametrize("kind", ["local memory", "files", "database"])
def test_a_count_outlives_the_default_lifetime_of_the_cache(
    counts_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [passes("2/30d") for _ in range(2)] == [True, True]
    assert caches["default"].default_timeout == 300
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    later = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr("django.core.cache.backends.db.tz_now", lambda: later)
    assert not passes("2/30d")


def test_without_rates_everything_passes() -> None:
    assert all(passes() for _ in range(100))


def test_groups_are_limited_apart() -> None:
    assert passes("1/d", group="one")
    assert passes("1/d", group="other")
    assert not passes("1/d", group="one")


def test_the_shortest_of_several_windows_refuses() -> None:
    assert [passes("2/d", "5/7d") for _ in range(3)] == [True, True, False]
    assert [passes("5/7d", "2/d", group="x") for _ in range(3)] == [True, True, False]


def test_refused_attempts_count_in_every_window() -> None:
    for _ in range(5):
        passes("1/d", "5/7d")
    assert not passes("5/7d")


def test_the_wait_is_that_of_the_window_that_is_full_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    waits = {}
    for rates in (["1/h"], ["1/30d"], ["1/h", "1/30d"], ["1/30d", "1/h"]):
        hit(*rates, group=str(rates))
        with pytest.raises(RateLimited) as refusal:
            hit(*rates, group=str(rates))
        waits[str(rates)] = refusal.value.retry_after
    # The network alone decides when its windows end.
    short, long, *both = waits.values()
    assert 1 <= short <= 3600
    assert 1 <= long <= 30 * 86400
    assert both == [max(short, long)] * 2


def test_a_client_is_told_to_wait_a_second_at_least_and_a_window_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = int(time.time())
    passed, waits = [], []
    for second in range(185):
        monkeypatch.setattr(time, "time", lambda now=begin + second: now)
        try:
            hit("1/m")
            passed.append(second)
        except RateLimited as refusal:
            waits.append(refusal.retry_after)
    assert min(waits) == 1
    assert max(waits) <= 60
    # Once a window, also in the window's last second, in which nothing of it is left.
    assert [passed[2] - passed[1], passed[3] - passed[2]] == [60, 60]


@pytest.mark.parametrize("rate", ["1/s", "1/10s", "1/h", "1/7d"])
def test_whoever_waits_as_told_gets_in_and_whoever_comes_a_second_earlier_does_not(
    monkeypatch: pytest.MonkeyPatch, rate: str
) -> None:
    clock = 1_800_000_000
    monkeypatch.setattr(time, "time", lambda: clock)
    for n in range(20):
        clock += n
        ip = f"192.0.2.{n}"
        hit(rate, ip=ip)
        with pytest.raises(RateLimited) as refusal:
            hit(rate, ip=ip)
        clock += refusal.value.retry_after - 1
        assert not passes(rate, ip=ip)
        clock += 1
        assert passes(rate, ip=ip)


def test_the_windows_of_clients_end_at_times_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000)
    waits = set()
    for n in range(50):
        hit("1/h", ip=f"192.0.2.{n}")
        with pytest.raises(RateLimited) as refusal:
            hit("1/h", ip=f"192.0.2.{n}")
        waits.add(refusal.value.retry_after)
    assert len(waits) > 40


def test_an_address_is_not_mistaken_for_one_that_it_begins_with() -> None:
    ones = ["192.0.2.1", "192.0.2.11", "192.0.2.111"]
    assert all(passes(rate, ip=ip) for ip in ones for rate in ("1/d", "1/11d", "1/h"))
    assert not any(passes(rate, ip=ip) for ip in ones for rate in ("1/d", "1/11d", "1/h"))


def test_addresses_of_one_network_share_a_limit() -> None:
    assert passes("1/d", ip="192.0.2.1")
    assert not passes("1/d", ip="::ffff:192.0.2.1")
    assert passes("1/d", ip="::ffff:192.0.2.2")
    assert passes("1/d", ip="2001:db8::1")
    assert not passes("1/d", ip="2001:db8::ffff:1")
    assert passes("1/d", ip="2001:db8:0:1::1")


def test_clients_without_address_share_one_limit() -> None:
    assert passes("1/d", ip=None)
    assert not passes("1/d", ip=None)
    assert not passes("1/d", ip="")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_forged_header_buys_no_fresh_limit(count: int) -> None:
    proxies = ["203.0.113.9", "198.51.100.1"][:count]  # what our own proxies add
    passed = 0
    for n in range(20):
        forwarded = ", ".join([f"10.0.0.{n}", f"10.1.0.{n}", *proxies])
        request = RequestFactory().post(
            "/", HTTP_X_FORWARDED_FOR=forwarded, HTTP_X_REAL_IP=f"10.2.0.{n}"
        )
        ip = client_ip(request, trusted_proxy_count=count, trusted_header=None)
        passed += passes("3/d", ip=ip)
    assert passed == 3


@pytest.mark.parametrize("forwarded", ["10.0.0.{}", "junk{}, 198.51.100.1", "{}"])
def test_a_header_that_cannot_be_buys_no_fresh_limit(forwarded: str) -> None:
    passed = 0
    for n in range(20):
        request = RequestFactory().post("/", HTTP_X_FORWARDED_FOR=forwarded.format(n))
        ip = client_ip(request, trusted_proxy_count=2, trusted_header=None)
        passed += passes("3/d", ip=ip)
    assert passed == 3


# --- in Redis


def test_django_still_has_the_client_that_the_round_trip_is_made_with() -> None:
    pytest.importorskip("redis")
    cache = RedisCache("redis://127.0.0.1:1", {})
    assert cache._cache.get_client(write=True).pipeline(transaction=False)


@contextmanager
def traffic(client: Any) -> Iterator[dict[str, int]]:
    """Fill in the commands of the block and how often the server had to read from its sockets."""
    client.config_resetstat()
    client.info("stats")
    before = client.info("stats")["total_reads_processed"]
    seen: dict[str, int] = {}
    yield seen
    seen["round trips"] = client.info("stats")["total_reads_processed"] - before - 1
    for name, stats in client.info("commandstats").items():
        seen[name.removeprefix("cmdstat_")] = stats["calls"]
    for name in ("info", "config|resetstat"):
        seen.pop(name, None)


@pytest.mark.redis
@pytest.mark.parametrize("windows", [1, 2, 3])
def test_all_windows_are_counted_in_one_round_trip(own_redis: Any, windows: int) -> None:
    rates = ["100/h", "1000/d", "5/10s"][:windows]
    hit(*rates)  # opens the connection
    with traffic(own_redis) as seen:
        hit(*rates)
    assert seen == {"round trips": 1, "set": windows, "incrby": windows}


@pytest.mark.redis
@pytest.mark.django_db
def test_a_sign_in_asks_redis_for_nothing_but_its_counts(
    own_redis: Any, settings: Settings
) -> None:
    settings.ANONAUTH_RATE_LIMITS = ["100/h", "1000/d"]
    Api().sign_in()  # opens the connection
    with traffic(own_redis) as seen:
        Api().sign_in()
    assert seen == {"round trips": 1, "set": 2, "incrby": 2}


@pytest.mark.redis
def test_prefix_and_version_of_the_cache_hold_and_keys_tell_no_address(
    own_redis: Any, settings: Settings
) -> None:
    for prefix, version in (("shop", 7), ("blog", 7), ("shop", 8)):
        config = settings.CACHES["default"] | {"KEY_PREFIX": prefix, "VERSION": version}
        settings.CACHES = {"default": config}
        assert [passes("1/d", ip="192.0.2.1") for _ in range(2)] == [True, False]
    keys = sorted(key.decode().rpartition(":") for key in own_redis.scan_iter())
    assert [key[0] for key in keys] == [
        "blog:7:anonauth:limit",
        "shop:7:anonauth:limit",
        "shop:8:anonauth:limit",
    ]
    assert all(re.fullmatch("[0-9a-f]{64}", key[2]) for key in keys)


@pytest.mark.redis
def test_a_count_lives_a_little_longer_than_its_window(own_redis: Any) -> None:
    hit("1/h")
    with pytest.raises(RateLimited) as refusal:
        hit("1/h")
    (key,) = own_redis.scan_iter()
    # A server whose clock is behind still counts in it.
    assert refusal.value.retry_after < own_redis.ttl(key) <= refusal.value.retry_after + 60


@pytest.mark.redis
def test_no_count_stays_in_redis_forever(own_redis: Any) -> None:
    hit("2/d")
    (key,) = own_redis.scan_iter()
    own_redis.set(key, 0)  # as if it had been evicted just before it rose
    assert [passes("2/d") for _ in range(3)] == [True, True, False]
    assert own_redis.ttl(key) > 0


@pytest.mark.redis
@pytest.mark.parametrize("rates", [("2/d", "9/7d"), ("9/7d", "2/d")])
def test_a_count_that_fails_halfway_refuses(
    own_redis: Any, settings: Settings, rates: tuple[str, ...]
) -> None:
    hit("9/7d")
    (key,) = own_redis.scan_iter()
    own_redis.delete(key)
    own_redis.rpush(key, "no number")
    for _ in range(2):
        with pytest.raises(RateLimitUnavailable):
            hit(*rates)
    settings.ANONAUTH_FAIL_OPEN = True
    # What was counted before it failed holds; what comes after is not looked at.
    assert passes(*rates) is (rates[0] == "9/7d")


def storm() -> int:
    """Return how many of 8 x 25 attempts at once pass a limit of 50."""
    passed = []

    def client() -> None:
        for _ in range(25):
            with suppress(RateLimited):
                hit("50/d")
                passed.append(1)
        caches["default"].close()

    threads = [Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(passed)


def test_threads_at_once_do_not_exceed_a_limit_in_local_memory() -> None:
    assert storm() == 50


@pytest.mark.redis
def test_threads_at_once_do_not_exceed_a_limit_in_redis(redis_cache: Any) -> None:
    assert storm() == 50


def test_an_unreachable_redis_refuses(settings: Settings) -> None:
    for location in ("redis://127.0.0.1:1", "unix:///nowhere/redis.sock"):
        settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": location}}
        with pytest.raises(RateLimitUnavailable):
            hit("1/h")


def test_an_unreachable_redis_lets_pass_where_the_project_wants_it(
    settings: Settings,
) -> None:
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": "redis://127.0.0.1:1"}}
    settings.ANONAUTH_FAIL_OPEN = True
    assert all(passes("1/h", "1/d") for _ in range(3))


@pytest.mark.redis
@pytest.mark.parametrize("fate", ["ends", "hangs", "is full", "is a replica"])
def test_a_redis_that_fails_in_mid_flight_refuses(own_redis: Any, fate: str) -> None:
    hit("1000/d")
    pid = own_redis.info("server")["process_id"]
    match fate:
        case "ends":
            own_redis.shutdown(nosave=True)
        case "hangs":
            os.kill(pid, signal.SIGSTOP)
        case "is full":
            own_redis.config_set("maxmemory", "1")
        case "is a replica":
            own_redis.replicaof("127.0.0.1", 1)
    try:
        for ip in ("192.0.2.1", "192.0.2.2"):  # a key that is there, and one that is not
            with pytest.raises(RateLimitUnavailable):
                hit("1000/d", ip=ip)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.redis
def test_a_redis_that_comes_back_counts_again(own_redis: Any) -> None:
    own_redis.config_set("maxmemory", "1")
    with pytest.raises(RateLimitUnavailable):
        hit("1/d")
    own_redis.config_set("maxmemory", "0")
    assert [passes("1/d") for _ in range(2)] == [True, False]


def test_a_client_that_hides_its_outage_is_found_out(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.SilentCache"}}
    with pytest.raises(RateLimitUnavailable):
        hit("1/h")
    settings.ANONAUTH_FAIL_OPEN = True
    assert all(passes("1/h") for _ in range(3))


def test_a_count_that_is_lost_before_it_rises_begins_anew(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.ForgetfulCache", "LOCATION": "f"}}
    assert all(passes("1/d") for _ in range(3))
    caches["default"].clear()


def test_a_bug_is_no_outage(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}
    settings.ANONAUTH_FAIL_OPEN = True
    with pytest.raises(TypeError, match="a bug"):
        hit("1/h")


def test_a_full_window_refuses_although_the_cache_fails_after_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ANONAUTH_FAIL_OPEN = True
    hit("1/d")
    add = LocMemCache.add

    def fail_on_new_keys(self: LocMemCache, key: str, *args: Any, **kwargs: Any) -> bool:
        if key in self:
            return add(self, key, *args, **kwargs)
        raise ConnectionError

    monkeypatch.setattr(LocMemCache, "add", fail_on_new_keys)
    assert not passes("1/d", "9/7d")


def test_the_cache_can_be_chosen(settings: Settings) -> None:
    settings.CACHES = {
        "default": {"BACKEND": REDIS, "LOCATION": "redis://127.0.0.1:1"},
        "limits": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "l"},
    }
    settings.ANONAUTH_RATE_LIMIT_CACHE = "limits"
    assert [passes("1/d") for _ in range(2)] == [True, False]
    caches["limits"].clear()


def test_a_wrong_rate_is_an_error_and_no_open_door() -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        hit("30/hour")
