"""What a person who helps from afar needs to see of a setup, without anything secret in it.

Values are taken from a list of what may be shown, never by leaving out what may not: no
environment, no command line, no settings file as it is written.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import secrets
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel

from boardsync import __version__
from boardsync.config.model import Secret, Settings
from boardsync.errors import SettingsError
from boardsync.local.mounts import mount_kind
from boardsync.state import orphans
from boardsync.state.database import State
from boardsync.telemetry import redaction

LIBRARIES = (
    "alembic", "APScheduler", "SQLAlchemy", "click", "fastapi", "httpx", "pathspec", "Pillow",
    "pillow-heif", "pydantic", "ruamel.yaml", "stamina", "structlog", "uvicorn", "watchdog",
)  # fmt: skip
PLAIN_KEYS = frozenset({
    "condition", "direction", "kind", "watching", "side", "state_of", "version", "level", "logger",
    "timestamp", "format", "python", "system", "machine", "sqlite", "schema", "filesystem",
    "said",
})  # fmt: skip
"""Keys whose texts can hold nobody's name."""
PLAIN_MEMBERS = frozenset({"process.json", "unit.json"})
"""Numbers of the kernel and the service manager."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)

Members = dict[str, Any]


def hide_all(settings: Settings) -> None:
    """Read every secret that the settings name, so that none can be in what is written."""
    for secret in _secrets_in(settings):
        try:
            secret.reveal()
        except SettingsError:
            continue  # one that is not there is nowhere else, either


def _secrets_in(section: object) -> Iterator[Secret]:
    if isinstance(section, Secret):
        yield section
    elif isinstance(section, BaseModel):
        for name in type(section).model_fields:
            yield from _secrets_in(getattr(section, name))
    elif isinstance(section, Mapping):
        for value in section.values():
            yield from _secrets_in(value)
    elif isinstance(section, list | tuple):
        for value in section:
            yield from _secrets_in(value)


def versions(settings: Settings, schema: str | None) -> dict[str, Any]:
    """Tell what runs here, on what."""
    return {
        "boardsync": {"version": __version__},
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "schema": schema,
        "libraries": {name: {"version": _version_of(name)} for name in LIBRARIES},
        "folders": [
            {"mirror": one.name, "filesystem": mount_kind(os.fsencode(one.folder))}
            for one in settings.mirrors
        ],
    }


def _version_of(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def settings_values(settings: Settings) -> Any:
    """Return the settings as they are in force. Of an address only the server's path is kept."""
    values = settings.model_dump(mode="json")
    servers = {name: _shown(one, keep_path=True) for name, one in values.pop("servers").items()}
    return {"servers": servers} | _shown(values, keep_path=False)


def _shown(value: Any, *, keep_path: bool, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _shown(one, keep_path=keep_path, key=name) for name, one in value.items()}
    if isinstance(value, list):
        return [_shown(one, keep_path=keep_path, key=key) for one in value]
    if not isinstance(value, str):
        return value
    if redaction.is_telling(key) and key not in ("file", "env", "credential"):
        return redaction.HIDDEN
    return _ADDRESS.sub(lambda found: _address(found[0], keep_path=keep_path), value)


def _address(text: str, *, keep_path: bool) -> str:
    """Return an address without its login, and without what may be a key to a service."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return redaction.HIDDEN
    path = parts.path if keep_path or parts.path in ("", "/") else f"/{redaction.HIDDEN}"
    return urlunsplit((parts.scheme, host + port, path, "", ""))


def table_counts(state: State) -> dict[str, int]:
    """Count the rows of every table."""
    with state.read() as connection:
        return orphans.table_counts(connection)


def finished(members: Members, *, names: bool) -> dict[str, bytes]:
    """Return what is written, by file name, without a secret. names: paths and names may stay."""
    hidden = (lambda _key, text: text) if names else _hashes()
    return {
        name: _text(value if name in PLAIN_MEMBERS else _mapped(value, hidden)).encode()
        for name, value in members.items()
    }


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        text = "\n".join([*value, ""])
    else:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
    return redaction.clean(text.encode("utf-8", "backslashreplace").decode())


def _hashes() -> Callable[[str, str], str]:
    """Return what puts a hash in the place of a text: the same for the same, in one bundle."""
    salt = secrets.token_bytes(16)

    def hashed(key: str, text: str) -> str:
        if key in PLAIN_KEYS:
            return text
        raw = text.encode("utf-8", "surrogatepass")
        return f"#{hashlib.sha256(salt + raw).hexdigest()[:12]}"

    return hashed


def _mapped(value: Any, hidden: Callable[[str, str], str], key: str = "") -> Any:
    if isinstance(value, dict):
        return {_name(name, key, hidden): _mapped(one, hidden, name) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(one, hidden, key) for one in value]
    return hidden(key, value) if isinstance(value, str) else value


def _name(name: str, section: str, hidden: Callable[[str, str], str]) -> str:
    """Return a key: those of `servers` are names that somebody chose."""
    return hidden("", name) if section == "servers" else name


def log_entries(lines: list[str]) -> list[dict[str, Any]]:
    """Return lines of the log as values. What we said ourselves are words without names."""
    entries = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # it was cut for being too long
            entry = {"cut": line}
        if str(entry.get("logger", "")).startswith("boardsync."):
            entry["said"] = entry.pop("event", None)
        entries.append(entry)
    return entries
