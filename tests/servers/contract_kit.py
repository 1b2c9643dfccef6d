"""What the parts of the contract share: the kind under test, pictures and uploads."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from boardsync.formats import PNG
from boardsync.model import Board, Item, Mark, Outcome, Upload, UploadResult
from boardsync.plan.tokens import token_for
from boardsync.servers.port import BoardId, Server
from picture_samples import sample

MIRROR = "contract"
SIZE = (32, 24)
MANY = 1200


@dataclass
class Kind:
    """One kind under test.

    put: lays a picture on a board as another user would, and returns its id. ghost: leaves an
    upload of ours behind whose bytes are not whole; None where the kind cannot have one. star:
    stars an item, or takes its star off, as another user would; None where nobody can. edit:
    changes an item's bytes as another user would; None where items never change.
    checks_pictures: whether an upload that is no picture is refused. comes_back_anew: what comes
    out of the trash is another item of the same picture. searches: whether the items' metadata can
    be searched. stars: whether items can be starred.
    """

    server: Server
    put: Callable[[BoardId, str, bytes], Awaitable[str]]
    ghost: Callable[[BoardId, Upload], Awaitable[Item]] | None = None
    star: Callable[[str, bool], Awaitable[None]] | None = None
    edit: Callable[[Item, bytes], Awaitable[None]] | None = None
    checks_pictures: bool = True
    comes_back_anew: bool = False
    searches: bool = True
    stars: bool = True
    missing_board: str = "00000000-0000-4000-8000-000000000000"
    missing_item: str = "00000000-0000-4000-8000-000000000000.png"


def picture(number: int = 1) -> bytes:
    """Return a small PNG; another number is another picture."""
    return sample(PNG, "RGB", SIZE, seed=number)


def upload_of(content: bytes, name: str = "picture.png", mirror: str = MIRROR) -> Upload:
    """Prepare an upload as the engine does: unchanged bytes, and the mark that belongs to them."""
    digest = hashlib.sha256(content).hexdigest()
    mark = Mark(mirror, token_for(mirror, digest), digest, digest, "original")
    return Upload(name, content, "image/png", mark, width=SIZE[0], height=SIZE[1])


def stored(result: UploadResult) -> Item:
    """Return the item of an upload that has to have been stored."""
    assert result.outcome is Outcome.STORED, result.error
    assert result.item is not None
    return result.item


class Contract:
    """What the parts of the contract share. `board` is a fresh board, `server` the kind's."""

    mirror = MIRROR

    @pytest.fixture(autouse=True)
    def own_mirror(self) -> None:
        """Give each test tokens of its own: a real server is shared by all of them."""
        self.mirror = f"{MIRROR} {uuid4().hex}"

    @pytest.fixture
    def server(self, kind: Kind) -> Server:
        return kind.server

    @pytest.fixture
    async def board(self, kind: Kind) -> Board:
        return await kind.server.create_board("contract board")

    def upload_of(self, content: bytes, name: str = "picture.png", mirror: str = "") -> Upload:
        return upload_of(content, name, mirror or self.mirror)

    async def send(self, server: Server, board: Board, *uploads: Upload) -> list[Item]:
        """Upload in batches as large as the kind takes, and return the stored items."""
        size = server.capabilities.batch
        results: list[UploadResult] = []
        for start in range(0, len(uploads), size):
            results += await server.upload(board.board_id, uploads[start : start + size])
        return [stored(result) for result in results]

    def seen(self, item: Item) -> Item:
        """Return an item without what only some answers tell: dimensions."""
        return replace(item, width=None, height=None)

    async def ids(self, server: Server, board: Board) -> set[str]:
        listing = await server.listing(board.board_id)
        assert listing.entries is not None
        return {entry.item_id for entry in listing.entries}
