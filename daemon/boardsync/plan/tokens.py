"""Tokens: the key under which an upload is found again.

`bsk` + 8 hex of the mirror + 24 hex of (mirror, digest of the file). Lower-case hex only:
InvokeAI's search lower-cases its term and reads `%` and `_` as wildcards.
"""

from __future__ import annotations

import hashlib

PREFIX = "bsk"
LENGTH = len(PREFIX) + 8 + 24


def mirror_prefix(mirror: str) -> str:
    """Return the beginning that all tokens of one mirror share."""
    return PREFIX + hashlib.sha256(mirror.encode()).hexdigest()[:8]


def token_for(mirror: str, file_digest: str) -> str:
    """Return the token of one picture in one mirror, wherever its file lies.

    file_digest: lower-case hex SHA-256 of the file, not of what is sent.
    """
    body = hashlib.sha256(f"{mirror}\0{file_digest}".encode()).hexdigest()[:24]
    return mirror_prefix(mirror) + body
