"""Names of files: the key under which look-alikes collide, and names that are safe to write.

Knows nothing of any filesystem. What is safe is what ext4, exFAT, NTFS and SMB shares all
take, and what the scan does not ignore as hidden or temporary.
"""

from __future__ import annotations

import re
import unicodedata

NAME_MAX = 255
"""Longest name in bytes that the common filesystems take."""

_UNNAMED = "picture"
_EXTENSION_MAX = 16
_EXTENSION = re.compile(r"\.[A-Za-z0-9]+\Z")

# Separators, what Windows and SMB refuse, control characters, line and paragraph separators,
# marks that turn the writing direction (they disguise an extension), and lone surrogates.
_FORBIDDEN = re.compile(
    r'[/\\<>:"|?*\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]'
)
_LEADING = re.compile(r"\A\s+")
_TRAILING = re.compile(r"[\s.]+\Z")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])\Z", re.IGNORECASE)


def normal_key(path: bytes) -> str:
    """Return the key that two paths share when some filesystem takes them for one.

    Unicode NFC without case. Bytes that are not UTF-8 become lone surrogates, so the key
    cannot be encoded as strict UTF-8: encode it with `surrogateescape` before storing it.
    """
    text = path.decode("utf-8", "surrogateescape")
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFC", folded)


def safe_name(name: str, limit: int = NAME_MAX) -> str:
    """Make a name that a server gave safe as the name of a local file.

    The result is one path component of at most `limit` UTF-8 bytes, in NFC, neither hidden
    nor reserved, with the extension kept. A safe name is returned as it is, so that applying
    this twice changes nothing.
    """
    name = _LEADING.sub("", _FORBIDDEN.sub("_", unicodedata.normalize("NFC", name)))
    if name.startswith((".", "~")):
        name = "_" + name
    name = _cut(_TRAILING.sub("", name) or _UNNAMED, limit)
    if _DEVICES.match(name.partition(".")[0].rstrip()):
        name = _cut("_" + name, limit)
    return name


def numbered(name: str, number: int, limit: int = NAME_MAX) -> str:
    """Return `name (2).png` for `name.png`, at most `limit` UTF-8 bytes long."""
    stem, extension = split_extension(name)
    return _cut(stem, limit, f" ({number}){extension}")


def numbered_path(path: bytes, number: int) -> bytes:
    """Return the n-th name to try for a path: the path itself, then `name (2).png`, and so on."""
    if number == 1:
        return path
    directory, slash, name = path.rpartition(b"/")
    text = numbered(name.decode("utf-8", "surrogateescape"), number)
    return directory + slash + text.encode("utf-8", "surrogateescape")


def conflict_name(name: str, where: str, when: str, limit: int = NAME_MAX) -> str:
    """Return `name (conflict, WHERE, WHEN).png`, which says where and when it came from."""
    stem, extension = split_extension(name)
    return _cut(stem, limit, f" (conflict, {safe_name(where, 64)}, {when}){extension}")


def split_extension(name: str) -> tuple[str, str]:
    """Split off a short ASCII extension with its dot; empty where there is none."""
    match = _EXTENSION.search(name)
    if match is None or match.start() == 0 or len(match[0]) > _EXTENSION_MAX:
        return name, ""
    return name[: match.start()], match[0]


def _cut(name: str, limit: int, ending: str | None = None) -> str:
    """Shorten what stands before the ending (by default the extension), between characters."""
    stem, extension = (name, ending) if ending is not None else split_extension(name)
    encoded = stem.encode("utf-8", "surrogateescape")
    room = limit - len(extension)
    if room < 1:
        raise ValueError(f"no room for a name before {extension!r} in {limit} bytes")
    if len(encoded) <= room:
        return stem + extension
    while room and encoded[room] & 0xC0 == 0x80:
        room -= 1
    shorter = encoded[:room].decode("utf-8", "surrogateescape")
    return (shorter if extension else _TRAILING.sub("", shorter)) + extension
