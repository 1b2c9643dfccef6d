"""Log lines for systemd's journal, with fields that can be searched: `journalctl MIRROR=photos`.

The native protocol: one datagram for each entry, or a sealed memory file where it is too large
for one. https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
import struct
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "boardsync"
SUBJECTS = ("mirror", "run", "path", "item", "board", "server")
"""Fields under their own names; all others get a prefix, so that none is taken for another's."""
PREFIX = "BOARDSYNC_"

_VARIABLE = "JOURNAL_STREAM"
_LONGEST_WAIT_SECONDS = 1.0
_LONGEST_NAME = 64
_TOO_LARGE = frozenset({errno.EMSGSIZE, errno.ENOBUFS})
_MULTILINE = ("exception", "stack")
_NOT_FIELDS = frozenset({"event", "level", "timestamp", "logger", *_MULTILINE})
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def leads_there(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether what is written to a stream ends in the journal, as systemd says it."""
    try:
        told = os.fstat(stream.fileno())
    except (OSError, ValueError):  # a stream of a test, or one that is closed
        return False
    return environ.get(_VARIABLE) == f"{told.st_dev}:{told.st_ino}"


def priority(level: str) -> int:
    """Return the syslog priority of a level of the log."""
    known = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2, "exception": 3}
    return known.get(level, 6)


def message(event: Mapping[str, Any]) -> str:
    """Return what a person reads of an entry, on one line; a traceback follows on more."""
    values = [f"{key}={value}" for key, value in event.items() if key not in _NOT_FIELDS]
    line = "  ".join([str(event.get("event", "")), *values])
    return "\n".join([line, *(str(event[key]) for key in _MULTILINE if key in event)])


def entry(event: Mapping[str, Any]) -> bytes:
    """Write an entry as the protocol has it. event: plain values that may be written."""
    fields = {
        "MESSAGE": message(event),
        "PRIORITY": priority(str(event.get("level", "info"))),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "LOGGER": event.get("logger"),
    }
    fields |= {_name(key): value for key, value in event.items() if key not in _NOT_FIELDS}
    return b"".join(_field(name, value) for name, value in fields.items() if value is not None)


def _name(key: str) -> str:
    """Return the name of a field: upper case, with what no name may hold replaced."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in key).upper()
    return (plain if key in SUBJECTS else PREFIX + plain)[:_LONGEST_NAME]


def _field(name: str, value: object) -> bytes:
    """Write a field: on one line, or with its length before it where it holds line ends."""
    content = str(value).encode("utf-8", "backslashreplace")
    if b"\n" not in content:
        return name.encode() + b"=" + content + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(content)) + content + b"\n"


class Journal:
    """The connection to the journal. Raises OSError where none listens."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.settimeout(_LONGEST_WAIT_SECONDS)
            with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as trying:
                trying.connect(path)
        except OSError:
            self._socket.close()
            raise

    def send(self, content: bytes) -> None:
        """Hand an entry over. Raises OSError when nobody takes it."""
        try:
            # Not connected: a journal that was started anew is found again.
            self._socket.sendto(content, self._path)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            self._send_large(content)

    def _send_large(self, content: bytes) -> None:
        fd = os.memfd_create("boardsync-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with os.fdopen(fd, "wb", closefd=False) as stream:
                stream.write(content)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))
            self._socket.sendmsg([b""], [rights], 0, self._path)
        finally:
            os.close(fd)

    def close(self) -> None:
        self._socket.close()


def rendered(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """Render an event as an entry (a structlog processor): bytes, one in each letter."""
    return entry(event).decode("latin-1")


class JournalHandler(logging.Handler):
    """Sends what is logged to the journal, and to a stream what the journal does not take.

    Its formatter renders with `rendered`. spare: writes the same for the stream.
    """

    def __init__(self, journal: Journal, stream: TextIO, spare: logging.Formatter) -> None:
        super().__init__()
        self._journal = journal
        self._spare = logging.StreamHandler(stream)
        self._spare.setFormatter(spare)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._journal.send(self.format(record).encode("latin-1"))
        except OSError:
            self._spare.emit(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        self._journal.close()
        super().close()


class PrefixedFormatter(logging.Formatter):
    """Puts the priority before each line, as the journal understands it from any stream."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        start = f"<{priority(record.levelname.lower())}>"
        return "\n".join(start + line for line in self._inner.format(record).splitlines())
