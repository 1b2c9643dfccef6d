"""Tells the service manager how the daemon is: systemd's notification protocol.

Outside of a service $NOTIFY_SOCKET is not set, and everything here does nothing. A service
manager that does not listen never stops the daemon: the loss goes to the log.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

import structlog

from boardsync.telemetry.rendering import readable_text

_VARIABLE = "NOTIFY_SOCKET"
_WATCHDOG = "WATCHDOG_USEC"
_WATCHED = "WATCHDOG_PID"
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


def reloading(environ: Mapping[str, str] | None = None) -> bool:
    """Say that the settings are being read again; `ready` ends that, whatever came of it."""
    moment = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    return _send(f"RELOADING=1\nMONOTONIC_USEC={moment}", environ)


def alive(environ: Mapping[str, str] | None = None) -> bool:
    """Give the sign of life that a watchdog waits for; return whether it was told."""
    return _send("WATCHDOG=1", environ)


def watchdog_seconds(environ: Mapping[str, str] | None = None) -> float | None:
    """Return how long the service manager waits for a sign of life; None: for none of ours."""
    given = os.environ if environ is None else environ
    watched, allowed = given.get(_WATCHED, ""), given.get(_WATCHDOG, "")
    if not allowed.isdecimal() or int(allowed) == 0:
        return None
    # Children inherit the environment; only the process it names is watched.
    if watched and watched != str(os.getpid()):
        return None
    return int(allowed) / 1_000_000


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
