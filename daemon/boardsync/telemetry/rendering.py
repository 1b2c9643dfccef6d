"""Makes any value fit to be written: one line, printable, and lossless for names of files.

A name of a file is bytes and may hold anything: line ends that would forge a line of the log,
terminal escapes, bytes that are no UTF-8. All of these are written as backslash escapes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Set

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MULTILINE = "\n\t"


def readable_path(path: bytes | str | os.PathLike[str]) -> str:
    """Write a file's name; distinct names stay distinct, so a backslash is doubled."""
    return readable_text(os.fsdecode(path).replace("\\", "\\\\"))


def readable_text(text: str, *, multiline: bool = False) -> str:
    """Escape what is not printable. multiline: line ends and tabs stay, for tracebacks."""
    if text.isprintable():
        return text
    keep = _MULTILINE if multiline else ""
    return "".join(letter if letter in keep else _escaped(letter) for letter in text)


def readable(value: object) -> object:
    """Return the value as plain data of readable texts: what a log line can hold."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return readable_text(value)
    if isinstance(value, bytes | os.PathLike):
        return readable_path(value)
    if isinstance(value, Mapping):
        return {str(readable(key)): readable(part) for key, part in value.items()}
    if isinstance(value, list | tuple | Set):
        return [readable(part) for part in value]
    if isinstance(value, BaseException):
        return readable_text(f"{type(value).__name__}: {value}")
    return readable_text(str(value))


def _escaped(letter: str) -> str:
    if letter.isprintable():
        return letter
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, see os.fsdecode
        return f"\\x{code - 0xDC00:02x}"
    if letter in _SHORT:
        return _SHORT[letter]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
