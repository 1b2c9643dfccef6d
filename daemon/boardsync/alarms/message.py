"""What is told: which causes began, and which are over. The same for every channel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from boardsync.telemetry.redaction import clean
from boardsync.telemetry.rendering import readable_text

Event = Literal["alarm", "over", "summary", "test"]
Key = tuple[Event, int]
"""Names a message, whole or a part of it: its event, and when that was."""

LEVELS = ("information", "warning", "critical")
LONGEST_TITLE = 120
MOST_LINES = 30
"""Of a text for people. Programs get all."""


@dataclass(frozen=True, slots=True)
class Line:
    """One cause. level: its place in LEVELS."""

    cause: str
    level: int
    words: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Message:
    """Causes that began or are over. host: this machine. passed: how many came and went untold.

    remark: what else a person should know.
    """

    event: Event
    host: str
    at_ms: int
    begun: Sequence[Line] = ()
    over: Sequence[Line] = ()
    passed: int = 0
    remark: str = ""

    @property
    def key(self) -> Key:
        return self.event, self.at_ms

    @property
    def level(self) -> str:
        """The gravest level in it."""
        return LEVELS[max((line.level for line in (*self.begun, *self.over)), default=0)]

    @property
    def title(self) -> str:
        """One line that says the most important."""
        if self.event == "test":
            said = "test of the alarms"
        elif len(self.begun) == 1:
            said = self.begun[0].words
        elif self.begun:
            said = f"{len(self.begun)} things are wrong"
        elif len(self.over) == 1:
            said = f"over: {self.over[0].words}"
        elif self.over:
            said = f"{len(self.over)} things are over"
        else:
            said = f"{self.passed} things came and went"
        line = _plain(f"boardsync on {self.host}: {said}")
        return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 3]}..."

    @property
    def text(self) -> str:
        """All of it in words."""
        lines = [f"{_plain(one.words)} (since {_when(one.since_ms)})" for one in self.begun]
        lines += [f"Over: {_plain(one.words)} (since {_when(one.since_ms)})" for one in self.over]
        if len(lines) > MOST_LINES:
            lines = [*lines[:MOST_LINES], f"... and {len(lines) - MOST_LINES} more"]
        if self.passed:
            lines.append(f"{self.passed} more came and went meanwhile.")
        if self.event == "test":
            lines.append("This is a test: nothing is wrong, and this channel works.")
        if self.remark:
            lines.append(self.remark)
        return "\n".join(lines)

    def at_least(self, level: int) -> Message | None:
        """Return the part of it that is grave enough; None when nothing of it is."""
        begun = tuple(one for one in self.begun if one.level >= level)
        over = tuple(one for one in self.over if one.level >= level)
        if not begun and not over and self.event != "test" and not self.passed:
            return None
        return replace(self, begun=begun, over=over)

    def as_json(self) -> str:
        """Return it for programs."""
        return json.dumps(
            {
                "event": self.event, "host": self.host, "level": self.level,
                "title": self.title, "text": self.text, "at_ms": self.at_ms,
                "begun": [_values(one) for one in self.begun],
                "over": [_values(one) for one in self.over],
                "passed": self.passed,
            }
        )  # fmt: skip


def _values(line: Line) -> dict[str, object]:
    return {
        "cause": line.cause, "level": LEVELS[line.level], "words": _plain(line.words),
        "since_ms": line.since_ms,
    }  # fmt: skip


def _plain(words: str) -> str:
    """Return one printable line without secrets: words hold names of files, which hold anything."""
    return readable_text(clean(words))


def _when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
