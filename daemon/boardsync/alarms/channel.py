"""What every channel can do."""

from __future__ import annotations

from typing import Protocol

from boardsync.alarms.message import Message


class Channel(Protocol):
    """One way to tell somebody. name: for the log, without anything secret."""

    @property
    def name(self) -> str: ...

    async def tell(self, message: Message) -> None:
        """Tell it. Raises TryAgain when it did not arrive; ends at once when cancelled."""
