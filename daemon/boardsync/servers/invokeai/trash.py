"""The trash of InvokeAI, which has none: a board of our own that no mirror ever looks at.

The board is known by its name, since nothing of ours outlives a lost state file on the server.
Whatever lies on a board of this name counts as removed, whoever put it there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from boardsync.errors import BoardMissing, OutcomeUnknown, ServerFault, ServerRefused
from boardsync.model import Board, Item
from boardsync.servers.invokeai.boards import Boards

NAME: Final = "boardsync trash"
TRUSTED_SECONDS: Final = 30.0
"""How long it is believed that a board is still the trash: a person may rename it to keep it."""


class TrashBoard:
    """Knows which boards are the trash. The clock is monotonic, in seconds."""

    def __init__(self, boards: Boards, clock: Callable[[], float] = time.monotonic) -> None:
        self._boards = boards
        self._clock = clock
        self._known: dict[str, bool] = {}
        self._looked_at: float | None = None
        self._home: str | None = None
        self._making = asyncio.Lock()

    def without(self, boards: Iterable[Board]) -> list[Board]:
        """Take the trash out of a list of all boards, and remember which it was."""
        listed = list(boards)
        self._known = {str(board.board_id): board.name == NAME for board in listed}
        self._looked_at = self._clock()
        return [board for board in listed if board.name != NAME]

    def refuse(self, board_id: str | None) -> None:
        """Raise BoardMissing for what is known to be the trash. Asks nobody."""
        if self._known.get(str(board_id), False):
            raise BoardMissing(
                f"board {board_id} is the trash of boardsync, and mirrored by nobody"
            )

    def refuse_name(self, name: str) -> None:
        """Raise ServerRefused for the name that makes a board the trash."""
        if name == NAME:
            raise ServerRefused(f"{NAME!r} is the name of the trash; choose another name")

    async def holds(self, board_id: str | None) -> bool:
        """Tell whether a board is the trash."""
        if board_id is None:
            return False
        if board_id not in self._known or (self._known[board_id] and self._is_old()):
            self.without(await self._boards.list())
            self._known.setdefault(board_id, False)
        return self._known[board_id]

    async def marked(self, items: Sequence[Item]) -> list[Item]:
        """Return items with the word whether they are in the trash."""
        return [
            replace(item, trashed=True) if await self.holds(item.board_id) else item
            for item in items
        ]

    async def home(self) -> str:
        """Return the id of the board that removed images go to; make it when there is none.

        The oldest of those that are ours, so that daemons that made one each agree at once.
        """
        async with self._making:
            if self._home is None or self._is_old() or not self._known.get(self._home, False):
                self._home = await self._oldest() or await self._made()
        return self._home

    def forget(self) -> None:
        """Look again at the next question: the board was gone when it was used."""
        self._looked_at = None

    async def _oldest(self) -> str | None:
        self.without(await self._boards.list())
        for board_id in [one for one, is_trash in self._known.items() if is_trash]:
            if await self._boards.is_own(board_id):
                return board_id
        return None

    async def _made(self) -> str:
        """Make the board. Whether a lost answer made it, the list tells."""
        try:
            await self._boards.create(NAME)
        except OutcomeUnknown:
            found = await self._oldest()
            if found is None:
                raise
            return found
        found = await self._oldest()
        if found is None:
            raise ServerFault(f"the board {NAME!r} was made, but the server does not list it")
        return found

    def _is_old(self) -> bool:
        return self._looked_at is None or self._clock() - self._looked_at > TRUSTED_SECONDS
