"""The log in systemd's journal: its native protocol, on a real socket, and without one."""

from __future__ import annotations

import array
import io
import logging
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from boardsync.telemetry import redaction
from boardsync.telemetry.journal import leads_there
from boardsync.telemetry.logging import about, configure

SECRET = "a secret of the journal's tests"


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Listener:
    """The journal's end of its socket."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(5)

    def received(self) -> dict[str, str]:
        """Return the next entry, read as the protocol's description says."""
        size = array.array("i").itemsize
        content, ancillary, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(size))
        for _level, _kind, data in ancillary:
            [fd] = struct.unpack("i", data[:size])
            with os.fdopen(fd, "rb") as stream:
                stream.seek(0)
                content = stream.read()
        return fields(content)


def fail(reason: str) -> None:
    raise ValueError(reason)


def fields(content: bytes) -> dict[str, str]:
    found = {}
    while content:
        line, _, content = content.partition(b"\n")
        name, assigned, value = line.partition(b"=")
        if not assigned:
            [length] = struct.unpack("<Q", content[:8])
            value, content = content[8 : 8 + length], content[8 + length :]
            assert content[:1] == b"\n"
            content = content[1:]
        found[name.decode()] = value.decode()
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(tmp_path / "socket")
    yield listener
    listener.socket.close()


@pytest.fixture
def stream(journal: Listener) -> io.StringIO:
    made = io.StringIO()
    configure("debug", "journal", made, journal_socket=journal.path)
    return made


def test_an_entry_carries_what_it_is_about_as_fields(
    journal: Listener, stream: io.StringIO
) -> None:
    with about(mirror="photos", run=7, path=b"sub/a b.png", item="item-1"):
        structlog.get_logger("boardsync.test").warning("cannot be sent", reason="too large")
    told = journal.received()
    assert told == {
        "MESSAGE": told["MESSAGE"],
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "boardsync",
        "LOGGER": "boardsync.test",
        "MIRROR": "photos",
        "RUN": "7",
        "PATH": "sub/a b.png",
        "ITEM": "item-1",
        "BOARDSYNC_REASON": "too large",
    }
    assert told["MESSAGE"].startswith("cannot be sent  ")
    assert "path=sub/a b.png" in told["MESSAGE"]
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("level", "expected"),
    [("debug", "7"), ("info", "6"), ("warning", "4"), ("error", "3"), ("critical", "2")],
)
def test_levels_are_priorities(
    journal: Listener, stream: io.StringIO, level: str, expected: str
) -> None:
    getattr(structlog.get_logger("boardsync.test"), level)("x")
    assert journal.received()["PRIORITY"] == expected


def test_a_traceback_is_one_entry_with_its_lines(journal: Listener, stream: io.StringIO) -> None:
    try:
        fail("no such thing")
    except ValueError:
        structlog.get_logger("boardsync.test").exception("bug")
    told = journal.received()
    assert told["PRIORITY"] == "3"
    assert told["MESSAGE"].startswith("bug\nTraceback (most recent call last):\n")
    assert told["MESSAGE"].endswith("ValueError: no such thing")


def test_a_name_cannot_forge_a_field_or_an_entry(journal: Listener, stream: io.StringIO) -> None:
    hostile = b"a\nPRIORITY=0\nMESSAGE=forged\xff.png"
    structlog.get_logger("boardsync.test").info("uploaded", path=hostile, **{"x=\ny": 1})
    told = journal.received()
    assert told["PATH"] == r"a\nPRIORITY=0\nMESSAGE=forged\xff.png"
    assert told["PRIORITY"] == "6"
    assert told["BOARDSYNC_X__Y"] == "1"


def test_an_entry_too_large_for_a_datagram_arrives_all_the_same(
    journal: Listener, stream: io.StringIO
) -> None:
    long = "x" * 5_000_000
    structlog.get_logger("boardsync.test").info("long", reason=long)
    assert journal.received()["BOARDSYNC_REASON"] == long


def test_secrets_and_libraries_go_through_the_same_mill(
    journal: Listener, stream: io.StringIO
) -> None:
    redaction.hide(SECRET)
    logging.getLogger("some.library").warning("it said %s", SECRET)
    told = journal.received()
    assert told["LOGGER"] == "some.library"
    assert SECRET not in str(told)


def test_what_the_journal_does_not_take_goes_to_the_stream_with_its_priority(
    journal: Listener, stream: io.StringIO, tmp_path: Path
) -> None:
    log = structlog.get_logger("boardsync.test")
    os.unlink(journal.path)
    log.error("nobody\nlistens", mirror="m")
    assert stream.getvalue() == "<3>nobody\\nlistens  mirror=m\n"
    again = Listener(Path(journal.path))  # a journal that was started anew
    log.info("heard")
    assert again.received()["MESSAGE"] == "heard"
    again.socket.close()


def test_without_a_journal_lines_have_priorities_before_them(tmp_path: Path) -> None:
    stream = io.StringIO()
    configure("info", "journal", stream, journal_socket=str(tmp_path / "none"))
    try:
        fail("x")
    except ValueError:
        structlog.get_logger("boardsync.test").exception("bug", path=b"a.png")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "<3>bug  path=a.png"
    assert all(line.startswith("<3>") for line in lines)


def test_it_is_chosen_by_itself_where_systemd_says_that_the_stream_leads_there(
    journal: Listener, tmp_path: Path
) -> None:
    with (tmp_path / "stderr").open("w") as stream:
        told = os.fstat(stream.fileno())
        here = {"JOURNAL_STREAM": f"{told.st_dev}:{told.st_ino}"}
        elsewhere = {"JOURNAL_STREAM": f"{told.st_dev}:{told.st_ino + 1}"}
        assert leads_there(stream, here)
        assert not leads_there(stream, elsewhere)
        assert not leads_there(io.StringIO(), here)
        configure("info", "auto", stream, environ=here, journal_socket=journal.path)
        structlog.get_logger("boardsync.test").info("to the journal")
        assert journal.received()["MESSAGE"] == "to the journal"
        configure("info", "auto", stream, environ=elsewhere, journal_socket=journal.path)
        structlog.get_logger("boardsync.test").info("to the file")
    assert '"event": "to the file"' in (tmp_path / "stderr").read_text()
