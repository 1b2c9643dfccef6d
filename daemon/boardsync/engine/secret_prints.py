"""Digests of what settings do not show: a password in a file changes without its settings.

They are kept in memory alone.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path

from boardsync.config.model import Secret, ServerSettings


def print_secrets(servers: Mapping[str, ServerSettings]) -> dict[str, str]:
    """Return a digest of every server's secrets and certificates. Raises SettingsError."""
    return {name: _print_of(server) for name, server in servers.items()}


def _print_of(server: ServerSettings) -> str:
    # Given or by default makes a difference: a number that nobody gave is found by trying.
    digest = hashlib.sha256(repr("uploads_at_once" in server.model_fields_set).encode())
    for name in type(server).model_fields:
        value = getattr(server, name)
        if isinstance(value, Secret):
            digest.update(value.reveal().encode("utf-8", "surrogateescape"))
        elif isinstance(value, Path) and name.endswith("_file"):
            with contextlib.suppress(OSError):  # whoever uses it says what is wrong
                digest.update(value.read_bytes())
        digest.update(b"\0")
    return digest.hexdigest()
