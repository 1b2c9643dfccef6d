"""Messages for tests of alarms."""

from __future__ import annotations

from boardsync.alarms.message import Line, Message

WARNING, CRITICAL = 1, 2
AT_MS = 1_700_000_000_000


def line(words: str = "m waits: the server is away", level: int = WARNING) -> Line:
    return Line("server:shelf", level, words, AT_MS - 300_000)


def message(*begun: Line, over: tuple[Line, ...] = ()) -> Message:
    """Return an alarm; by default a usual one."""
    lines = begun or (() if over else (line(),))
    return Message("alarm" if lines else "over", "häuschen", AT_MS, lines, over)
