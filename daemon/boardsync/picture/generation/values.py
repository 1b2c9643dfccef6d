"""Values out of strangers' text: JSON within limits, numbers that are numbers, clean words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Final

Scalar = str | int | float | bool

MOST_BRACKETS: Final = 1_000_000
"""Objects and lists of one JSON text: a graph of 100,000 nodes has half as many. Each takes some
60 bytes of memory beside its content."""
MOST_NESTED: Final = 20_000
"""Characters kept of a nested value that has no field of its own."""
_LONGEST_WHOLE: Final = 40
"""Digits. Seeds have 20 at most; converting digits without end takes time without end."""

_DIGITS: Final = re.compile(r"[+-]?[0-9]+\Z")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class NotJson(Exception):
    """The text is no JSON, or exceeds the limits; the message says which."""


def parse_json(text: str) -> object:
    """Parse JSON as programs write it: NaN and Infinity are allowed and become None.

    What follows a complete value is ignored. Raises NotJson.
    """
    text = text.strip(" \t\r\n\0\ufeff")
    if text[:1] not in ("{", "["):
        raise NotJson("it does not begin as JSON does")
    if text.count("{") + text.count("[") > MOST_BRACKETS:
        raise NotJson(f"it holds more than {MOST_BRACKETS} objects and lists")
    try:
        return _DECODER.raw_decode(text)[0]
    except RecursionError as error:
        raise NotJson("it is nested too deeply") from error
    except ValueError as error:
        raise NotJson(f"it is damaged ({error})") from error


def json_object(text: str) -> dict[str, object] | None:
    """Parse a JSON object; None when it is none, or not within the limits."""
    try:
        value = parse_json(text)
    except NotJson:
        return None
    return value if isinstance(value, dict) else None


def _whole_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_WHOLE else digits


def _nothing(_: str) -> None:
    return None


_DECODER: Final = json.JSONDecoder(parse_int=_whole_or_text, parse_constant=_nothing)


def obj(value: object) -> Mapping[str, object]:
    """Return an object as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """Return a list as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []


def words(value: object) -> str | None:
    """Return text without blanks around it; None when there is none. Numbers become text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return clean(str(value)).strip() or None


def whole(value: object) -> int | None:
    """Return a whole number, from a number or from text that is one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**63 else None
    if isinstance(value, str):
        digits = value.strip()
        if len(digits) <= _LONGEST_WHOLE and _DIGITS.match(digits):
            return int(digits)
    return None


def decimal(value: object) -> float | None:
    """Return a finite number, from a number or from text that is one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, str) and (len(value) > _LONGEST_WHOLE or "_" in value):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def scalar(value: object) -> Scalar | None:
    """Return a single value as it is, and a nested one as JSON text, None when it has no end."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int):
        return value
    return _nested(value) if isinstance(value, dict | list) and value else None


def _nested(value: object) -> str | None:
    pieces: list[str] = []
    length = 0
    try:
        for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
            length += len(piece)
            if length > MOST_NESTED:
                return clean("".join(pieces)) + " ..."
            pieces.append(piece)
    except (RecursionError, ValueError):
        return None
    return clean("".join(pieces))


def clean(text: str) -> str:
    """Replace what no UTF-8 can hold: JSON can tell half of a character."""
    return _SURROGATES.sub("\ufffd", text)
