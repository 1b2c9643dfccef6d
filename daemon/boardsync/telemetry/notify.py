"""Tells the service manager how the daemon is: systemd's notification protocol.

Outside of a service $NOTIFY_SOCKET is not set, and everything here does nothing. A service
manager that does not listen never stops the daemon: the loss goes to the log.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import structlog

from boardsync.telemetry.rendering import readable_text

_VARIABLE = "NOTIFY_SOCKET"
_LONGEST_WAIT_SECONDS = 1.0

log = structlog.get_logger(__name__)


def ready(status: str, environ: Mapping[str, str] | None = None) -> bool:
    """Say that the daemon is up; return whether a service manager was told."""
    return _send(f"READY=1\nSTATUS={readable_text(status)}", environ)


def status(text: str, environ: Mapping[str, str] | None = None) -> bool:
    """Say what the daemon is doing, in one line; return whether a service manager was told."""
    return _send(f"STATUS={readable_text(text)}", environ)


def stopping(environ: Mapping[str, str] | None = None) -> bool:
    """Say that the daemon is going down; return whether a service manager was told."""
    return _send("STOPPING=1", environ)


def _send(message: str, environ: Mapping[str, str] | None) -> bool:
    name = (os.environ if environ is None else environ).get(_VARIABLE, "")
    if not name:
        return False
    # systemd writes the leading zero byte of an abstract socket as an at sign.
    address = "\0" + name[1:] if name.startswith("@") else name
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(_LONGEST_WAIT_SECONDS)
            channel.connect(address)
            channel.sendall(message.encode())
    except OSError as error:
        log.warning("The service manager could not be told", socket=name, error=error)
        return False
    return True
