"""Keeps secrets out of everything that is written.

Three nets: values under telling keys are replaced whatever they are; every secret that was ever
read is replaced wherever its text turns up, tracebacks included; and what looks like a login in
an address or in a header is replaced even if nobody named it as a secret.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from boardsync.telemetry.rendering import readable_text

HIDDEN = "***"

# `token` alone is not here: it is our own word for the key of an upload, and not a secret.
_TELLING = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "authorization",
    "cookie",
    "api_key",
    "apikey",
    "access_token",
    "auth_token",
    "bearer",
    "login_token",
    "refresh_token",
    "session_token",
)
_IN_HEADER = re.compile(
    r"(\bBearer +|authorization['\"]?\s*[:=]\s*['\"]?\w+ +)[^\s'\",]{4,}", re.IGNORECASE
)
_IN_ADDRESS = re.compile(r"(://)[^\s/?#'\"]+@")


class Redactor:
    """Knows secrets, and takes them out of texts. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()

    def hide(self, secret: str) -> None:
        """Remember a secret, in all the ways it may be spelled in a text."""
        if not secret:
            return
        with self._lock:
            forms = {*self._forms, *_spellings(secret)}
            # Longest first: a secret may be part of another one.
            self._forms = tuple(sorted(forms, key=len, reverse=True))

    def clean(self, text: str) -> str:
        """Return the text without known secrets and without anything that looks like a login."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        if "@" in text:
            text = _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
        return _IN_HEADER.sub(rf"\1{HIDDEN}", text)


def is_telling(key: str) -> bool:
    """Tell whether a key announces a secret: `password`, `Authorization`, `X-Api-Key`."""
    plain = key.lower().replace("-", "_")
    return any(word in plain for word in _TELLING)


def _spellings(secret: str) -> Iterable[str]:
    """List how a text may hold the secret: plain, escaped, in a repr, in JSON, in an address."""
    return (
        secret,
        readable_text(secret),
        readable_text(secret, multiline=True),
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
    )


_process = Redactor()


def hide(secret: str) -> None:
    """Keep a secret out of this process's log from now on."""
    _process.hide(secret)


def clean(text: str) -> str:
    """Return the text without any secret that this process has read."""
    return _process.clean(text)
