"""The log: one form for everything that is written, and nothing in it that must not be."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from boardsync.telemetry import redaction
from boardsync.telemetry.logging import about, configure

SECRET = "a secret of the log's tests"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Leave the process's log as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(reason: str) -> None:
    raise ValueError(reason)


def test_messages_are_json_lines_where_nobody_watches() -> None:
    stream = io.StringIO()
    configure("info", "auto", stream)
    before = datetime.now(UTC)
    structlog.get_logger("boardsync.test").info("Uploaded", size=3)
    (line,) = logged(stream)
    assert before <= datetime.fromisoformat(line.pop("timestamp")) <= datetime.now(UTC)
    assert line == {"event": "Uploaded", "size": 3, "level": "info", "logger": "boardsync.test"}


def test_a_timestamp_is_utc_and_says_so() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    structlog.get_logger("boardsync.test").info("x")
    assert logged(stream)[0]["timestamp"].endswith("Z")


def test_messages_are_readable_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    configure("info", "auto", stream)
    structlog.get_logger("boardsync.test").info("Uploaded", size=3)
    text = stream.getvalue()
    assert "info" in text
    assert "Uploaded" in text
    assert "size=3" in text
    assert "\x1b" not in text


def test_the_form_can_be_chosen_against_the_terminal() -> None:
    terminal, file = Terminal(), io.StringIO()
    configure("info", "json", terminal)
    structlog.get_logger("boardsync.test").info("x")
    assert logged(terminal)[0]["event"] == "x"
    configure("info", "console", file)
    structlog.get_logger("boardsync.test").info("x")
    assert not file.getvalue().startswith("{")
    assert "\x1b" not in file.getvalue()


@pytest.mark.parametrize(
    "library", ["alembic.runtime.migration", "apscheduler.scheduler", "watchdog", "uvicorn.error"]
)
def test_messages_of_libraries_have_the_same_form(library: str) -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    with about(mirror="Art", run=7):
        logging.getLogger(library).warning("two words: %s %s", "one", "two")
    (line,) = logged(stream)
    assert line.pop("timestamp")
    assert line == {
        "event": "two words: one two",
        "level": "warning",
        "logger": library,
        "mirror": "Art",
        "run": 7,
    }


@pytest.mark.parametrize("level", ["debug", "info"])
def test_a_line_for_each_request_is_not_written(level: str) -> None:
    stream = io.StringIO()
    configure(level, "json", stream)
    logging.getLogger("httpx").info("GET /")
    logging.getLogger("httpcore.connection").debug("connect")
    logging.getLogger("httpx").warning("odd")
    assert [line["event"] for line in logged(stream)] == ["odd"]


def test_less_important_messages_are_left_out() -> None:
    stream = io.StringIO()
    configure("warning", "json", stream)
    log = structlog.get_logger("boardsync.test")
    log.info("small")
    log.warning("great")
    logging.getLogger("alembic").info("small")
    assert [line["event"] for line in logged(stream)] == ["great"]


def test_the_subject_is_named_inside_its_block_only() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    log = structlog.get_logger("boardsync.test")
    with about(mirror="Art"), about(path=b"a\xff\n.png", item="1.png"):
        log.info("inside")
    log.info("outside")
    inside, outside = logged(stream)
    assert (inside["mirror"], inside["path"], inside["item"]) == ("Art", "a\\xff\\n.png", "1.png")
    assert not outside.keys() & {"mirror", "path", "item", "run"}


def test_a_message_is_one_line_whatever_it_holds() -> None:
    stream = io.StringIO()
    configure("info", "console", stream)
    log = structlog.get_logger("boardsync.test")
    log.info("forged\n2026-01-01 [info] fine", path=Path("a\nb"), name="\x1b[2J\udcff")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_an_exception_is_written_with_its_traceback() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    try:
        fail("bad \udcff")
    except ValueError:
        structlog.get_logger("boardsync.test").exception("failed")
        logging.getLogger("uvicorn.error").exception("failed, too")
    for line in logged(stream):
        assert line["exception"].startswith("Traceback (most recent call last):\n")
        assert line["exception"].endswith("ValueError: bad \\xff")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_is_never_written(form: str) -> None:
    redaction.hide(SECRET)
    stream = io.StringIO()
    configure("info", form, stream)
    log = structlog.get_logger("boardsync.test")
    log.info(f"login with {SECRET}", reason=ValueError(SECRET), nested={"a": [SECRET, {SECRET: 1}]})
    log.info("request", headers={"Authorization": "x y z"}, password="unregistered")
    logging.getLogger("uvicorn").warning("query %s", {"secret": SECRET})
    try:
        fail(SECRET)
    except ValueError:
        log.exception("failed", exception_text=str(sys.exc_info()[1]))
        logging.getLogger("uvicorn").exception("failed")
    text = stream.getvalue()
    assert text.count("***") >= 8
    for hidden in (SECRET, "x y z", "unregistered"):
        assert hidden not in text


def test_setting_up_again_replaces_our_handler_and_leaves_others() -> None:
    first, second, other = io.StringIO(), io.StringIO(), logging.NullHandler()
    logging.getLogger().addHandler(other)
    configure("info", "json", first)
    configure("debug", "json", second)
    structlog.get_logger("boardsync.test").debug("x")
    assert first.getvalue() == ""
    assert len(logged(second)) == 1
    assert other in logging.getLogger().handlers


def test_a_stream_without_utf8_gets_escapes_instead_of_errors() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    configure("info", "console", stream)
    structlog.get_logger("boardsync.test").info("größe")
    stream.flush()
    assert b"gr\\xf6\\xdfe" in raw.getvalue()


def test_without_a_stream_it_writes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    structlog.get_logger("boardsync.test").info("x")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "x"
