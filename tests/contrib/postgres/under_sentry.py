"""Two requests in a process that Sentry watches; prints what came of it. Sentry's transport is a list here."""

from __future__ import annotations

import json
import sys
from typing import Any

import django
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.transport import Transport

sent: list[Envelope] = []


class Kept(Transport):
    """Sends nothing anywhere."""

    def capture_envelope(self, envelope: Envelope) -> None:
        sent.append(envelope)


def watch() -> None:
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Kept,
        integrations=[DjangoIntegration()],
        traces_sample_rate=1.0,
    )


def main() -> None:
    if sys.argv[1] == "sentry":
        watch()
    django.setup()
    from django.db import connection

    connection.ensure_connection()
    if sys.argv[1] != "sentry":
        watch()
    from tests.contrib.postgres.people import person

    # Django's test client goes past the place where Sentry begins a transaction.
    with sentry_sdk.start_transaction(op="test", name="two requests"):
        statuses = {kind: person(kind).get("orm").status_code for kind in ("permanent", "guest")}
    sentry_sdk.flush()
    payloads: list[Any] = [item.payload.json for envelope in sent for item in envelope.items]
    spans = [span for payload in payloads if payload for span in payload.get("spans", [])]
    errors = [payload["exception"] for payload in payloads if payload and "exception" in payload]
    statements = [span["description"] for span in spans if span["op"] == "db"]
    print(json.dumps({"statuses": statuses, "statements": statements, "errors": errors}))


if __name__ == "__main__":
    main()
