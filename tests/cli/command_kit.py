"""What tests of the commands share: calling them in this process, or on a terminal.

cli = Cli(fake.url)
told = cli.json("boards", "list")       # exit code 0, standard output parsed
result = cli("images", "delete", name)  # whatever came of it
"""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from click.testing import CliRunner, Result

from boardsync.cli.main import main

SECONDS = 30
"""Longest that a command of a test may take."""


class Cli:
    """Calls commands with `--url` behind them, so that they need no settings."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, input: bytes | str | None = None) -> Result:  # noqa: A002
        return call(*arguments, "--url", self.url, input=input)

    def json(self, *arguments: str, code: int = 0, input: bytes | str | None = None) -> Any:  # noqa: A002
        """Call a command with `--json` and return what it says."""
        result = self(*arguments, "--json", input=input)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)


def call(*arguments: str, input: bytes | str | None = None) -> Result:  # noqa: A002
    """Call a command in this process; unexpected exceptions come through."""
    with _logging_kept():
        return CliRunner().invoke(main, arguments, input=input, catch_exceptions=False)


def on_terminal(arguments: Sequence[str], answer: str) -> subprocess.CompletedProcess[str]:
    """Call a command as a person does, with a terminal to answer on."""
    person, terminal = pty.openpty()
    try:
        os.write(person, f"{answer}\n".encode())
        return subprocess.run(
            command(*arguments), stdin=terminal, capture_output=True, text=True, timeout=SECONDS
        )
    finally:
        os.close(terminal)
        os.close(person)


def seen_on_terminal(arguments: Sequence[str], seconds: float = SECONDS) -> tuple[str, str]:
    """Call a command whose standard error is a terminal: its output, and what was shown there."""
    person, terminal = pty.openpty()
    shown: list[bytes] = []
    try:
        reader = threading.Thread(target=_read_all, args=(person, shown))
        reader.start()
        done = subprocess.run(
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=seconds,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
        )
    finally:
        os.close(terminal)
        reader.join(SECONDS)
        os.close(person)
    return done.stdout.decode(), b"".join(shown).decode()


def _read_all(terminal: int, shown: list[bytes]) -> None:
    """Read until the other side is closed, which Linux reports as an error."""
    with suppress(OSError):
        while part := os.read(terminal, 4096):
            shown.append(part)


def command(*arguments: str) -> list[str]:
    """Return the command line that starts boardsync as a process of its own."""
    return [sys.executable, "-m", "boardsync", *arguments]


@contextmanager
def _logging_kept() -> Iterator[None]:
    """Undo what a command does to the log of the whole process."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**config)
