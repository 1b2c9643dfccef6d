"""Asks a daemon how it is, with nothing but the standard library.

A container asks twice a minute, for ever: loading the settings, and what they are made of, would
cost more than the daemon does. So the entry point comes here directly when the socket is named,
and `boardsync health` comes here after it has looked for the socket in the settings.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Sequence
from typing import Any

OK, UNHEALTHY, NOBODY = 0, 1, 75
TIMEOUT_SECONDS = 10.0
SOCKET, LIVE, JSON = "--socket", "--live", "--json"


def quick(arguments: Sequence[str]) -> int | None:
    """Do what `health --socket PATH [--live] [--json]` asks for; return the exit code.

    None: these are other arguments, and somebody else's to understand.
    """
    if not arguments or arguments[0] != "health":
        return None
    rest, path = list(arguments[1:]), ""
    if SOCKET in rest[:-1]:
        at = rest.index(SOCKET)
        path = rest[at + 1]
        del rest[at : at + 2]
    if not path or not set(rest) <= {LIVE, JSON}:
        return None
    return probe(path, live=LIVE in rest, as_json=JSON in rest)


def probe(path: str, *, live: bool, as_json: bool) -> int:
    """Ask the daemon on a socket, print what it says, and return the exit code."""
    try:
        told = ask(path, "/health/live" if live else "/health/ready")
    except (FileNotFoundError, ConnectionRefusedError):
        print(f"boardsync: no daemon runs: nobody answers on {_line(path)}", file=sys.stderr)
        return NOBODY
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"boardsync: no daemon answers on {_line(path)}: {_line(error)}", file=sys.stderr)
        return NOBODY
    good = bool(told["live"] if live else told["healthy"])
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        for words in told["reasons"] or ["all is well"]:
            print(_line(words))
    return OK if good else UNHEALTHY


def ask(path: str, what: str) -> dict[str, Any]:
    """Return what a daemon answers. Raises OSError, ValueError or HTTPException."""
    connection = _Connection(path)
    try:
        connection.request("GET", what, headers={"Host": "boardsync"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status not in (200, 503) or not isinstance(told, dict) or "reasons" not in told:
        raise ValueError(f"it answers {answer.status}, and not as this boardsync would")
    return told


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("boardsync", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _line(value: object) -> str:
    """Return one line that can do nothing to a terminal."""
    text = str(value)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
