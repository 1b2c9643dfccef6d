"""The metadata that InvokeAI embedded in a PNG of its own. Pure: bytes in, object out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from boardsync.formats.png import text_chunks

KEYWORD: Final = "invokeai_metadata"


def embedded_metadata(content: bytes) -> Mapping[str, object] | None:
    """Return the metadata object that a PNG embeds, None when there is none to read.

    Any bytes may be given: what is not a PNG, or is broken, embeds nothing.
    """
    text = text_chunks(content, {KEYWORD}).get(KEYWORD)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
