"""A load generator that needs nothing but Python: ``python _load.py PORT PATH CONNECTIONS SECONDS``.

Every connection is kept alive and sends the next POST when it has the answer to the last one (a closed loop). One
process, one selector, one prebuilt request: about 20 µs of CPU a request, some hundredth of what Django needs for it.
When the time is up, nothing more is sent and the answers still due are awaited, so that the server has made exactly
as many rows as this prints answers.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import Counter
from typing import Any

BODY = b"{}"
PATIENCE = 30.0  # seconds without any answer


class Connection:
    """One client: what it has received so far of the answer to its last request, and when it sent that."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = request
        self.received = b""
        self.sent = 0.0

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.socket.sendall(self.request)

    def receive(self) -> bytes | None:
        """Read what is there; return the status once the answer is complete."""
        part = self.socket.recv(65536)
        if not part:
            raise SystemExit("The server closed a connection.")
        self.received += part
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        fields = head.lower()
        at = fields.index(b"content-length:") + 15
        length = int(fields[at : (fields + b"\r\n").index(b"\r\n", at)])
        if len(body) < length:
            return None
        self.received = b""
        return head[9:12]


def load(port: int, path: str, connections: int, seconds: float) -> dict[str, Any]:
    """Return the answers by status, their times in seconds, and how busy this process was."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\nAccept: */*\r\nUser-Agent: benchmark\r\n\r\n"
    )
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = Connection(port, head.encode() + BODY)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    statuses: Counter[str] = Counter()
    times: list[float] = []
    busy, start = time.process_time(), time.perf_counter()
    stop = start + seconds
    for key in list(selector.get_map().values()):
        key.data.send()
    due = connections
    while due:
        ready = selector.select(PATIENCE)
        if not ready:
            raise SystemExit(f"No answer for {PATIENCE} s.")
        for key, _ in ready:
            status = key.data.receive()
            if status is None:
                continue
            now = time.perf_counter()
            times.append(now - key.data.sent)
            statuses[status.decode()] += 1
            if now < stop:
                key.data.send()
            else:
                due -= 1
    elapsed = time.perf_counter() - start
    return {
        "statuses": statuses,
        "times": times,
        "seconds": elapsed,
        "busy": (time.process_time() - busy) / elapsed,
    }


if __name__ == "__main__":
    port, path, connections, seconds = sys.argv[1:]
    print(json.dumps(load(int(port), path, int(connections), float(seconds))))
