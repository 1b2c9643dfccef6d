"""The InvokeAI kind keeps the contract on a fake server, of today and of years ago."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from boardsync.model import Item, Upload
from boardsync.servers.port import BoardId, Server
from boardsync.servers.wrappers import Pauses, Policy, compose
from servers.contract import Kind, ServerContract, stored
from servers.fake_invokeai import FakeInvokeAI
from servers.invokeai_kit import on_fake
from servers.meters import Meters


def invokeai_kind(server: Server, fake: FakeInvokeAI) -> Kind:
    async def put(board_id: BoardId, _name: str, content: bytes) -> str:
        return fake.store.add_image(content, board_id).name

    async def ghost(board_id: BoardId, upload: Upload) -> Item:
        [result] = await server.upload(board_id, [upload])
        item = stored(result)
        image = fake.store.images[item.item_id]
        image.content = image.content[:-20]
        image.thumbnail = False
        return item

    async def star(item_id: str, starred: bool) -> None:
        fake.store.images[item_id].starred = starred

    return Kind(server, put, ghost, star)


@pytest.mark.parametrize("version", ["6.14.2", "6.8.1", "5.15.0"])
class TestInvokeAI(ServerContract):
    @pytest.fixture
    async def kind(self, version: str) -> AsyncIterator[Kind]:
        async with on_fake(version) as (server, fake):
            yield invokeai_kind(server, fake)


class TestInvokeAIComposed(ServerContract):
    @pytest.fixture
    async def kind(self) -> AsyncIterator[Kind]:
        async with on_fake() as (server, fake):
            policy = Policy(pauses=Pauses(first=0.0, jitter=0.0))
            yield invokeai_kind(compose(server, policy, Meters()), fake)
