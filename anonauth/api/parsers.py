"""JSON in, of a bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from anonauth.api.errors import BodyTooLarge

MAX_BODY = 64 * 1024  # bytes


class BoundedJSONParser(JSONParser):
    """REST framework's JSON parser for bodies of at most :data:`MAX_BODY` bytes.

    Django's DATA_UPLOAD_MAX_MEMORY_SIZE does not hold here: REST framework reads the stream itself.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise BodyTooLarge
        try:
            data = super().parse(BytesIO(body), media_type, parser_context)
        except RecursionError as error:  # "[[[[…": ten kilobytes suffice
            raise ParseError("JSON parse error - too deeply nested") from error
        if not isinstance(data, dict):
            raise ParseError("JSON parse error - expected an object")
        return data
