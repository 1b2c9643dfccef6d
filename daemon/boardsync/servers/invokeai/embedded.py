"""The metadata that InvokeAI embedded in a picture of its own. Pure: bytes in, object out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from boardsync.formats.embedded import InMemory, embedded_texts
from boardsync.formats.png import SIGNATURE, text_chunks

KEYWORD: Final = "invokeai_metadata"


def embedded_metadata(content: bytes) -> Mapping[str, object] | None:
    """Return the metadata object that a picture embeds, None when there is none to read.

    Any bytes may be given: what is no picture, or is broken, embeds nothing. What was a PNG and
    became another format has its texts in a comment, as one object.
    """
    if content.startswith(SIGNATURE):
        return _object(text_chunks(content, {KEYWORD}).get(KEYWORD))
    for text in embedded_texts(InMemory(content)).texts:
        told = (_object(text.value) or {}).get(KEYWORD) if KEYWORD in text.value else None
        if isinstance(told, str) and (found := _object(told)) is not None:
            return found
    return None


def _object(text: str | None) -> Mapping[str, object] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
