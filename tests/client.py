"""A client of the JSON API, as an app or a browser would be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.test import Client


class Api:
    """Speaks JSON to /auth/ with cookies of its own; keeps the tokens it was last given."""

    def __init__(self, **headers: str) -> None:
        self.http = Client(enforce_csrf_checks=True, headers=headers)
        self.tokens: dict[str, str] = {}

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, body, headers)

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, None, headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.send("DELETE", path, None, headers)

    def send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        all_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if "Authorization" not in all_headers and self.tokens:
            all_headers["Authorization"] = f"Bearer {self.tokens['access']}"
        if "csrftoken" in self.http.cookies and "X-CSRFToken" not in all_headers:
            all_headers["X-CSRFToken"] = self.http.cookies["csrftoken"].value
        if body is None:
            return self.http.generic(method, f"/auth/{path}", content_type="", headers=all_headers)
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.http.generic(
            method, f"/auth/{path}", data, content_type="application/json", headers=all_headers
        )

    def sign_in(self, **body: Any) -> dict[str, Any]:
        """Sign in anonymously, keep the tokens, return the user."""
        answer = self.post("anonymous/", body)
        assert answer.status_code in {200, 201}, answer.content
        data = answer.json()
        if "access" in data:
            self.tokens = {"access": data["access"], "refresh": data["refresh"]}
        user: dict[str, Any] = data["user"]
        return user

    def refresh(self) -> Any:
        """Renew the tokens and keep them if that went well."""
        answer = self.post("token/refresh/", {"refresh": self.tokens["refresh"]}, Authorization="")
        if answer.status_code == 200:
            self.tokens.update(
                {k: v for k, v in answer.json().items() if k in ("access", "refresh")}
            )
        return answer
