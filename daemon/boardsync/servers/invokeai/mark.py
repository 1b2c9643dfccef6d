"""Marks in the metadata of images: what an upload carries so that it is known again.

A mark is the value of one key in the metadata object that the server stores beside the
image and inside its PNG. Pure: bytes and JSON in, bytes and marks out.

Metadata comes from strangers. What the server cannot read back would take our mark with
it into oblivion, so what is sent beside the mark is tamed first; what is read is believed
only when it has exactly the shape that we write.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Final

from boardsync.errors import PictureRefused
from boardsync.model import Mark
from boardsync.plan.tokens import LENGTH, PREFIX

KEY: Final = "boardsync"
VERSION: Final = 1
METADATA_BYTES: Final = 1024 * 1024
"""The server answers 400 for a longer form part."""
DEEPEST: Final = 60
LONGEST_NUMBER: Final = 300
LONGEST_TEXT: Final = 200
LONGEST_PATH: Final = 4096

_TOKEN = re.compile(rf"{PREFIX}[0-9a-f]{{{LENGTH - len(PREFIX)}}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def metadata_with_mark(own: Mapping[str, object] | None, mark: Mark) -> str:
    """Return the metadata to send: the picture's own, united with our mark, as JSON.

    The server replaces what the picture embeds by what is sent, so prompts would be lost
    without the union. Raises PictureRefused when both together are more than it takes.
    """
    text = metadata_text({**(own or {}), KEY: _written(mark)})
    size = len(text.encode())
    if size > METADATA_BYTES:
        raise PictureRefused(
            f"its embedded metadata and our mark are {size} bytes together, and InvokeAI takes "
            f"{METADATA_BYTES}: remove some of its metadata"
        )
    return text


def metadata_text(value: Mapping[str, object]) -> str:
    """Return metadata as the JSON to send: tamed, and with letters left readable.

    Letters are not escaped because the server's search reads the raw text.
    """
    return json.dumps(_tamed_object(value), ensure_ascii=False, separators=(",", ":"))


def parse_mark(metadata: object) -> Mark | None:
    """Read our mark out of an image's metadata; None unless it is exactly one of ours."""
    fields = metadata.get(KEY) if isinstance(metadata, dict) else None
    if not isinstance(fields, dict):
        return None
    version = fields.get("v")
    if version != VERSION or isinstance(version, bool) or not isinstance(version, int):
        return None
    token, file, sent = (fields.get(key) for key in ("token", "file", "sent"))
    mirror, recipe = fields.get("mirror"), fields.get("recipe")
    if not (_matches(_TOKEN, token) and _matches(_DIGEST, file) and _matches(_DIGEST, sent)):
        return None
    if not (_is_text(mirror) and _is_text(recipe)):
        return None
    name = fields.get("name")
    known = name if isinstance(name, str) and _is_text(name, LONGEST_PATH) else None
    return Mark(str(mirror), str(token), str(file), str(sent), str(recipe), VERSION, known)


def _written(mark: Mark) -> Mapping[str, object]:
    path = {} if mark.name is None else {"name": mark.name}
    return {
        "v": mark.version,
        "mirror": mark.mirror,
        "token": mark.token,
        "file": mark.file,
        "sent": mark.sent,
        "recipe": mark.recipe,
        **path,
    }


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_text(value: object, longest: int = LONGEST_TEXT) -> bool:
    """Whether a value is a short printable text: half surrogates, for one, are not."""
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()


def _tamed_object(value: Mapping[str, object]) -> dict[str, object]:
    return {_tamed_text(key): _tamed(entry, 1) for key, entry in value.items()}


def _tamed(value: object, depth: int) -> object:
    """Replace what the server's JSON reader refuses: it would then read no metadata at all.

    Measured on 6.14.2: half surrogates and deep nesting make it unreadable, numbers of
    thousands of digits are dropped together with everything else, NaN becomes null.
    """
    if isinstance(value, str):
        return _tamed_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if value.bit_length() < LONGEST_NUMBER * 3 else None
    if isinstance(value, dict):
        if depth >= DEEPEST:
            return None
        return {_tamed_text(str(key)): _tamed(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_tamed(entry, depth + 1) for entry in value] if depth < DEEPEST else None
    return value


def _tamed_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
