"""The InvokeAI kind keeps the contract on a real server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from boardsync.model import Category, Item, Upload
from boardsync.servers.invokeai.upload import Picture
from boardsync.servers.port import BoardId
from real.invokeai_server import RealInvokeAI
from servers.contract import Kind, ServerContract, stored
from servers.invokeai_kit import on_real


@pytest.mark.real
class TestRealInvokeAI(ServerContract):
    @pytest.fixture
    async def kind(self, invokeai: RealInvokeAI) -> AsyncIterator[Kind]:
        async with on_real(invokeai.url) as server:

            async def put(board_id: BoardId, _name: str, content: bytes) -> str:
                picture = Picture(content, category=Category.GENERAL)
                return (await server.client.images.send(board_id, picture)).item_id

            async def ghost(board_id: BoardId, upload: Upload) -> Item:
                """Tear the file on the server's own disk, as a killed server leaves it.

                Its thumbnail was not made yet then.
                """
                [result] = await server.upload(board_id, [upload])
                item = stored(result)
                [path] = invokeai.root.rglob(f"images/**/{item.item_id}")
                os.truncate(path, path.stat().st_size - 20)
                [thumbnail] = invokeai.root.rglob(f"thumbnails/**/{path.stem}.webp")
                thumbnail.unlink()
                return item

            async def star(item_id: str, starred: bool) -> None:
                images = server.client.images
                await (images.star if starred else images.unstar)([item_id])

            yield Kind(server, put, ghost, star)
