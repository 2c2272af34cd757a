"""What goes on while a purge runs: ``python _visitors.py PORT DATABASE_URL RATE``, until its standard input ends.

Sign-ins are sent at a steady rate whether or not the last ones were answered, and their time counts from the moment at
which they were due. Beside them somebody "returns" again and again who is just about to be purged: one UPDATE of his
row, as a visit writes it, which waits as long as the purge holds the row.
"""

from __future__ import annotations

import http.client
import json
import queue
import sys
import threading
import time

import psycopg

CONNECTIONS = 8
PROBE_INTERVAL = 0.01
# A guest near the head of the queue of stale ones, locked or not.
NEXT = """SELECT id FROM project_user WHERE is_anonymous AND last_seen_at < now() - interval '30 days'
    ORDER BY last_seen_at OFFSET %s LIMIT 1"""
RETURN = "UPDATE project_user SET first_name = 'x' WHERE id = %s"


def sign_in(port: int, due: queue.SimpleQueue[float], times: list[float]) -> None:
    """Send one sign-in for each moment in the queue; a moment of 0 ends it."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"}
    while moment := due.get():
        client.request("POST", "/auth/anonymous/", b"{}", headers)
        answer = client.getresponse()
        answer.read()
        if answer.status != 201:
            raise SystemExit(f"A sign-in was answered {answer.status}.")
        times.append(time.perf_counter() - moment)


def probe(url: str, stop: threading.Event, times: list[float]) -> None:
    """Update rows that are being purged, and note how long each update took."""
    with psycopg.connect(url, autocommit=True) as connection:
        number = 0
        while not stop.wait(PROBE_INTERVAL):
            number += 1
            row = connection.execute(NEXT, [number * 37 % 900]).fetchone()
            if row is None:
                continue
            start = time.perf_counter()
            connection.execute(RETURN, row)
            times.append(time.perf_counter() - start)


def main() -> None:
    port, url, rate = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    due: queue.SimpleQueue[float] = queue.SimpleQueue()
    stop = threading.Event()
    sign_ins: list[float] = []
    probes: list[float] = []
    threads = [
        threading.Thread(target=sign_in, args=(port, due, sign_ins)) for _ in range(CONNECTIONS)
    ]
    threads.append(threading.Thread(target=probe, args=(url, stop, probes)))
    reader = threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True)
    for thread in [*threads, reader]:
        thread.start()
    moment = time.perf_counter()
    while not stop.is_set():
        due.put(moment)
        moment += 1 / rate
        time.sleep(max(0.0, moment - time.perf_counter()))
    for _ in range(CONNECTIONS):
        due.put(0.0)
    for thread in threads:
        thread.join()
    print(json.dumps({"sign_ins": sign_ins, "probes": probes}))


if __name__ == "__main__":
    main()
