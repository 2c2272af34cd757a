"""JSON in, of a bounded size."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from anonauth.api.errors import BodyTooLarge

MAX_BODY = 64 * 1024  # bytes

#: "\\ud83d\\ude00" is a character, "\\ud83d" alone is none: no answer and no database could hold it.
HALF = re.compile(rb"\\u[dD][89a-fA-F]")


class BoundedJSONParser(JSONParser):
    """Reads an object in JSON, in UTF-8 as RFC 8259 demands, of at most :data:`MAX_BODY` bytes.

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
            data = json.loads(body.decode(), parse_constant=_refuse, parse_float=_finite)
            if HALF.search(body) and not _is_text(data):
                raise ParseError("JSON parse error - half a character")
        except ValueError as error:
            raise ParseError(f"JSON parse error - {error}") from error
        except RecursionError as error:
            # "[[[[…": ten kilobytes suffice; to look through what could just be read takes a level more.
            raise ParseError("JSON parse error - too deeply nested") from error
        if not isinstance(data, dict):
            raise ParseError("JSON parse error - expected an object")
        return data


def _is_text(data: Any) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):  # "1e400"; no answer could hold it
        raise ValueError(f"{number} is too large")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(
        f"{constant} is no JSON"
    )  # Python reads NaN and Infinity, RFC 8259 knows neither
