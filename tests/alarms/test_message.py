"""What people and programs read of an alarm."""

from __future__ import annotations

import json

from alarms.alarm_kit import CRITICAL, WARNING, line, message
from boardsync.alarms.message import LONGEST_TITLE, MOST_LINES, Message
from boardsync.telemetry import redaction


def test_one_cause_is_the_title() -> None:
    assert message().title == "boardsync on häuschen: m waits: the server is away"
    assert message().text == "m waits: the server is away (since 2023-11-14 22:08 UTC)"


def test_several_causes_are_counted_and_listed() -> None:
    told = message(line("one"), line("two"), over=(line("three"),))
    assert told.title == "boardsync on häuschen: 2 things are wrong"
    assert [words.split(" (")[0] for words in told.text.splitlines()] == [
        "one", "two", "Over: three",
    ]  # fmt: skip


def test_what_is_over_is_said_to_be() -> None:
    assert message(over=(line("one"),)).title == "boardsync on häuschen: over: one"


def test_names_of_files_can_neither_break_a_line_nor_make_it_endless() -> None:
    told = message(line("a\r\nBcc: b\x1b[2J" + "x" * 500))
    assert told.title.isprintable()
    assert len(told.title) == LONGEST_TITLE
    assert len(told.text.splitlines()) == 1


def test_a_text_has_an_end_and_json_has_everything() -> None:
    told = message(*(line(f"cause {number}") for number in range(100)))
    assert len(told.text.splitlines()) == MOST_LINES + 1
    assert len(json.loads(told.as_json())["begun"]) == 100


def test_a_secret_that_was_read_is_in_no_message() -> None:
    redaction.hide("open-sesame")
    told = message(line("refused: open-sesame"))
    assert "open-sesame" not in told.as_json()
    assert "refused: ***" in told.text


def test_a_channel_gets_what_is_grave_enough() -> None:
    told = message(line("small"), line("grave", CRITICAL))
    part = told.at_least(CRITICAL)
    assert part is not None
    assert ([one.words for one in part.begun], part.level) == (["grave"], "critical")
    assert message(line("small", WARNING)).at_least(CRITICAL) is None
    assert Message("test", "h", 0).at_least(CRITICAL) is not None
