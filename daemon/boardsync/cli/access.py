"""How a command reaches what it needs: the settings, the daemon's socket, or the state itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from boardsync.config.load import find, is_any, load
from boardsync.config.model import Settings
from boardsync.errors import BoardsyncError, ServerFault, SettingsError, TryAgain
from boardsync.telemetry import logging

TIMEOUT_SECONDS = 30.0


@contextlib.asynccontextmanager
async def _not_serving(_: object, __: Path | None) -> AsyncIterator[None]:
    yield


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the entry point gives to the command line.

    serving: serves the control API of a service on a socket while its body runs.
    """

    serving: Callable[[Any, Path | None], AbstractAsyncContextManager[None]] = _not_serving


class Context:
    """What the group hands to its commands: options, and the settings when first asked for."""

    def __init__(self, config: str | None, level: str | None, wiring: Wiring | None = None) -> None:
        self.wiring = wiring or Wiring()
        self._config = config
        self._level = level
        self._settings: Settings | None = None
        self.config_path: Path | None = None

    @property
    def named(self) -> Path | None:
        """The settings file that `-c` names, if it was given."""
        return None if self._config is None else Path(self._config)

    def settings_file(self) -> Path:
        """Return the settings file: the same one always. Raises SettingsError."""
        if self.config_path is None:
            self.config_path = find(self._config, os.environ)
        return self.config_path

    def settings(self) -> Settings:
        """Load the settings and log warnings only, as one-shot commands do.

        Raises SettingsError.
        """
        if self._settings is None:
            loaded = load(self.settings_file())
            self._settings = loaded.settings
            for warning in loaded.warnings:
                click.echo(f"boardsync: {warning}", err=True)
        self.configure_logging(self._settings)
        return self._settings

    def settings_if_any(self) -> Settings | None:
        """Return the settings, or None where nobody named or made any. Raises SettingsError."""
        if self._config is None and not is_any(os.environ):
            self.configure_logging(None)
            return None
        return self.settings()

    def configure_logging(self, settings: Settings | None, *, level: str = "warning") -> None:
        """Log to standard error. `--log-level` wins over `level`."""
        logging.configure(self._level or level, settings.log.format if settings else "auto")


pass_context = click.make_pass_decorator(Context)


def daemon_request(settings: Settings, method: str, path: str, body: Any = None,
                   timeout: float | None = TIMEOUT_SECONDS) -> Any:  # fmt: skip
    """Ask the running daemon. Returns None when none runs; raises what it answered otherwise."""
    if settings.socket is None:
        return None
    connection = _UnixConnection(settings.socket, timeout)
    try:
        payload = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", "Host": "boardsync"}
        connection.request(method, path, payload, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return None
    except PermissionError as error:
        raise TryAgain(
            f"{settings.socket}: a daemon runs as another user; use that account"
        ) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ServerFault(f"{settings.socket}: the daemon did not answer: {error}") from error
    finally:
        connection.close()
    if answer.status >= http.client.BAD_REQUEST:
        raise _told(answer.status, content)
    return content


def _told(status: int, content: Any) -> BoardsyncError:
    """Return what a daemon refused as the error that it was there."""
    words = str(content.get("detail", content)) if isinstance(content, dict) else str(content)
    if status == http.client.NOT_FOUND:
        return SettingsError(words)
    if status == http.client.SERVICE_UNAVAILABLE:
        return TryAgain(words)
    return BoardsyncError(f"the daemon answered {status}: {words}")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("boardsync", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))
