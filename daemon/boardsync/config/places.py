"""Where boardsync keeps its things when the settings do not say.

A service manager's directories come first ($STATE_DIRECTORY, $RUNTIME_DIRECTORY,
$CACHE_DIRECTORY), then the XDG base directories. A relative XDG directory is ignored, as its
specification demands.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

SYSTEM_SETTINGS = Path("/etc/boardsync/config.yaml")
"""Those of boardsync.service; NAME.yaml beside them are those of boardsync@NAME.service."""
STATE_NAME = "state.db"
INDEX_NAME = "index.db"
THUMBNAILS_NAME = "thumbnails"
LONGEST_SOCKET = 107
"""Bytes of a Unix socket's address, without the zero at its end (unix(7))."""


def default_state(environ: Mapping[str, str]) -> Path:
    """Return where the state file lies by default."""
    service = _service_directory(environ, "STATE_DIRECTORY")
    return (service or _user_state(environ)) / STATE_NAME


def default_socket(state: Path, environ: Mapping[str, str]) -> Path:
    """Return where the daemon listens for its command line by default: one place for each state.

    Beside the state, or in the service's runtime directory, and named after the state unless
    that has its default name. Where this is too long for a socket, a digest of it is the name
    in a directory that the daemon and its command line find alike: not $XDG_RUNTIME_DIR, which
    is set in a login session and not in cron.
    """
    runtime = _service_directory(environ, "RUNTIME_DIRECTORY")
    name = "boardsync" if state.name == STATE_NAME else f"boardsync-{state.name}"
    path = (runtime or state.parent) / f"{name}.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET:
        return path
    digest = hashlib.sha256(os.fsencode(state)).hexdigest()[:16]
    return (runtime or _user_state(environ)) / f"{digest}.sock"


def default_cache(state: Path, environ: Mapping[str, str]) -> Path:
    """Return the directory of what can be made anew, by default: one place for each state.

    The service's cache directory, or the user's with the user's own state; else beside the state,
    which is known to be writable.
    """
    service = _service_directory(environ, "CACHE_DIRECTORY")
    if service is not None:
        return service
    return user_cache(environ) if state == _user_state(environ) / STATE_NAME else state.parent


def default_index(state: Path, environ: Mapping[str, str]) -> Path:
    """Return where the search index lies by default."""
    own = state.name == STATE_NAME
    return default_cache(state, environ) / (INDEX_NAME if own else f"index-{state.name}")


def user_cache(environ: Mapping[str, str]) -> Path:
    """Return where a person's own cache lies: also for commands without settings."""
    return _xdg(environ, "XDG_CACHE_HOME", ".cache") / "boardsync"


def service_places(settings: Path, root: Path = Path("/")) -> dict[str, str]:
    """Return the variables that a system service with these settings hears from systemd.

    A command that was given the same settings must find the same state and socket, and only the
    service is told. A directory that is not there was given to nobody. root: of the filesystem.
    """
    if settings.parent != SYSTEM_SETTINGS.parent or settings.suffix != SYSTEM_SETTINGS.suffix:
        return {}
    name = "" if settings == SYSTEM_SETTINGS else settings.stem
    places = {
        "STATE_DIRECTORY": root / "var/lib/boardsync" / name,
        "RUNTIME_DIRECTORY": root / "run" / (f"boardsync-{name}" if name else "boardsync"),
        "CACHE_DIRECTORY": root / "var/cache/boardsync" / name,
    }
    return {variable: str(place) for variable, place in places.items() if _may_be_there(place)}


def _may_be_there(directory: Path) -> bool:
    """Tell whether there is a directory. One that may not be looked for is a service's."""
    try:
        return stat.S_ISDIR(directory.stat().st_mode)
    except PermissionError:
        return True
    except OSError:
        return False


def user_settings(environ: Mapping[str, str]) -> Path:
    """Return where a person's own settings file lies."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "boardsync" / "config.yaml"


def _user_state(environ: Mapping[str, str]) -> Path:
    return _xdg(environ, "XDG_STATE_HOME", ".local/state") / "boardsync"


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
