"""How uploads follow one another: the server's version tells whether two may run side by side.

Up to 6.13 a server answers nobody while it stores a picture, its web page included, so two
uploads at one time gain nothing and shut everybody out for twice as long. From 6.14 on it
goes on working.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from boardsync.errors import ServerFault, ServerRefused
from boardsync.servers.invokeai.probe import ask_version, stands_still
from boardsync.servers.invokeai.transport import Transport


class Pace:
    """Gives uploads to one server their turn.

    one_by_one: whether each waits for the one before, as far as the version is known. The
    version is asked for before the first upload, and again after a lost connection: another
    one may be there now.
    """

    def __init__(self, transport: Transport) -> None:
        self.one_by_one = False
        self._transport = transport
        self._learned_at: int | None = None
        self._asking = asyncio.Lock()
        self._turns = asyncio.Lock()

    async def learn(self) -> str:
        """Ask for the version and keep to it from now on. Raises what `ask_version` raises."""
        losses = self._transport.losses
        version = await ask_version(self._transport)
        self.one_by_one = stands_still(version)
        self._learned_at = losses
        return version

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until a picture may be sent; the turn ends with the block.

        Raises ServerUnreachable, ServerBusy or NotAuthorised before anything was sent.
        """
        await self._know()
        if not self.one_by_one:
            yield
            return
        async with self._turns:
            yield

    async def _know(self) -> None:
        """See that the version is known, or go carefully; of many uploads one asks."""
        async with self._asking:
            if self._learned_at == self._transport.losses:
                return
            try:
                await self.learn()
            except (ServerFault, ServerRefused):
                # No reason to keep a picture back: what becomes of it, its own answer tells.
                self.one_by_one = True
