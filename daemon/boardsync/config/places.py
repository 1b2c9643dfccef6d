"""Where boardsync keeps its things when the settings do not say.

A service manager's directories come first ($STATE_DIRECTORY, $RUNTIME_DIRECTORY), then the XDG
base directories. A relative XDG directory is ignored, as its specification demands.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SYSTEM_SETTINGS = Path("/etc/boardsync/config.yaml")


def default_state(environ: Mapping[str, str]) -> Path:
    """Return where the state file lies by default."""
    service = _service_directory(environ, "STATE_DIRECTORY")
    if service is not None:
        return service / "state.db"
    return _xdg(environ, "XDG_STATE_HOME", ".local/state") / "boardsync" / "state.db"


def default_socket(state: Path, environ: Mapping[str, str]) -> Path:
    """Return where the daemon listens for its command line by default."""
    runtime = _service_directory(environ, "RUNTIME_DIRECTORY")
    return (runtime or state.parent) / "boardsync.sock"


def user_settings(environ: Mapping[str, str]) -> Path:
    """Return where a person's own settings file lies."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "boardsync" / "config.yaml"


def _service_directory(environ: Mapping[str, str], name: str) -> Path | None:
    """Return the first of systemd's directories: it joins several with colons."""
    first = environ.get(name, "").split(":")[0]
    return Path(first) if first else None


def _xdg(environ: Mapping[str, str], name: str, below_home: str) -> Path:
    given = Path(environ.get(name, ""))
    if given.is_absolute():
        return given
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / below_home
