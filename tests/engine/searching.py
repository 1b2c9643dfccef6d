"""A server whose search can be too busy while its listings are not."""

from __future__ import annotations

from boardsync.errors import ServerBusy
from boardsync.model import Item
from boardsync.servers.memory.server import MemoryServer


class Searching(MemoryServer):
    """busy: nobody can look a token up now, so what became of an upload stays unknown."""

    busy = False

    async def find(self, token: str) -> list[Item]:
        if self.busy:
            raise ServerBusy(f"server {self.name}: its search is busy")
        return await super().find(token)
