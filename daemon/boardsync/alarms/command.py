"""Tells it to a program: JSON on its standard input, the main things in its environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from boardsync.alarms.message import Message
from boardsync.errors import TryAgain

PASSED_ON = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "DISPLAY",
     "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}
)  # fmt: skip
"""Of our environment. The rest may hold secrets that are not meant for this program."""
LONGEST_VALUE = 8192
"""Letters in a variable: a program with more than fits would not start at all."""
LAST_WORDS = 300


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments. No shell sees them."""

    arguments: Sequence[str]

    @property
    def name(self) -> str:
        return f"command {self.arguments[0]}"

    async def tell(self, message: Message) -> None:
        with _Ear() as ear:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self.arguments,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=ear.mouth,
                    env=environment(message, os.environ),
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise TryAgain(f"{self.name}: cannot be started: {error}") from error
            try:
                await process.communicate(message.as_json().encode())
            finally:
                # Also what it has started, and what it left behind.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            if process.returncode:
                said = ear.words() or "no words"
                raise TryAgain(f"{self.name}: exit code {process.returncode}: {said}")


class _Ear:
    """Hears the last that a program says on its standard error.

    Not asyncio's own pipe: with that, a program has not ended before all that it left running
    has. mouth: what the program is given.
    """

    def __init__(self) -> None:
        self._open, self.mouth = os.pipe()
        os.set_blocking(self._open, False)
        self._heard = b""

    def __enter__(self) -> _Ear:
        asyncio.get_running_loop().add_reader(self._open, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._open)
        os.close(self._open)
        os.close(self.mouth)

    def words(self) -> str:
        """Return what was said last."""
        while self._hear():
            pass
        return self._heard.decode(errors="replace").strip()[-LAST_WORDS:]

    def _hear(self) -> bool:
        try:
            said = os.read(self._open, 65_536)
        except BlockingIOError:
            return False
        self._heard = (self._heard + said)[-8 * LAST_WORDS :]
        return bool(said)


def environment(message: Message, ours: Mapping[str, str]) -> dict[str, str]:
    """Return what the program finds in its environment."""
    kept = {key: ours[key] for key in ours if key in PASSED_ON or key.startswith("LC_")}
    return kept | {
        "BOARDSYNC_EVENT": message.event,
        "BOARDSYNC_LEVEL": message.level,
        "BOARDSYNC_HOST": message.host,
        "BOARDSYNC_TITLE": message.title,
        "BOARDSYNC_TEXT": message.text[:LONGEST_VALUE],
    }
