"""A server without a trash keeps the contract with one on this machine; nothing is lost."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import pytest

from boardsync.errors import (
    ItemMissing,
    NoRoom,
    OutcomeUnknown,
    Refused,
    ServerRefused,
    ServerUnreachable,
    TryAgain,
)
from boardsync.model import Board, Item, Outcome
from boardsync.servers.memory import CAPABILITIES, DELETING, NAMED, MemoryServer
from boardsync.servers.wrappers import Policy, compose, returning
from boardsync.servers.wrappers.keeping import Keeping
from boardsync.servers.wrappers.kept import KEPT, KeptPictures
from servers.contract import Kind, ServerContract, picture, stored, upload_of
from servers.meters import Meters
from servers.test_memory import memory_kind
from sim.disk import SimDisk

DELETING_NAMED = replace(NAMED, trash=False, deletes=True)
KEY = "removal-1"


def keeping_kind(inner: MemoryServer, root: Path) -> Kind:
    kind = memory_kind(inner)
    kind.server = Keeping(inner, KeptPictures(bytes(root / "kept")))
    kind.comes_back_anew = True
    return kind


class TestKeeping(ServerContract):
    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return keeping_kind(MemoryServer("memory", DELETING), tmp_path)


class TestKeepingWithNames(ServerContract):
    @pytest.fixture
    def kind(self, tmp_path: Path) -> Kind:
        return keeping_kind(MemoryServer("memory", DELETING_NAMED), tmp_path)


@pytest.fixture(params=[DELETING, DELETING_NAMED], ids=["ids", "names"])
def inner(request: pytest.FixtureRequest) -> MemoryServer:
    return MemoryServer("memory", request.param)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def server(inner: MemoryServer, root: Path) -> Keeping:
    return Keeping(inner, KeptPictures(bytes(root)))


@pytest.fixture
async def board(inner: MemoryServer) -> Board:
    return await inner.create_board("board")


@pytest.fixture
async def item(inner: MemoryServer, board: Board) -> Item:
    return stored((await inner.upload(board.board_id, [upload_of(picture(), "a.png")]))[0])


def again(server: Keeping, root: Path) -> Keeping:
    """Return the same server as the next process finds it."""
    return Keeping(server._inner, KeptPictures(bytes(root)))


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


async def test_only_such_a_server_is_wrapped(tmp_path: Path) -> None:
    for capabilities, wrapped in ((CAPABILITIES, False), (DELETING, True)):
        bare = MemoryServer("memory", capabilities)
        server = compose(bare, Policy(), Meters(), keep=bytes(tmp_path))
        assert (isinstance(server, Keeping), server.capabilities.trash) == (wrapped, True)
    alone = compose(MemoryServer("memory", DELETING), Policy(), Meters())
    assert not alone.capabilities.trash


async def test_a_server_with_a_trash_deletes_nothing_outright(board: Board) -> None:
    server = MemoryServer("memory")
    made = await server.create_board("board")
    item = server.put(made.board_id, "a.png", picture())
    with pytest.raises(ServerRefused):
        await server.delete(item)
    assert await server.items(made.board_id, [item.item_id]) == [item]


async def test_the_picture_lies_where_a_person_finds_it(
    server: Keeping, item: Item, root: Path
) -> None:
    assert await server.trash(item, KEY) == f"{KEPT}/{KEY}"
    lying = files(root)
    assert lying[f"{KEY}/picture.png"] == picture()
    assert set(lying) == {f"{KEY}/picture.png", f"{KEY}/about.json"}
    assert root.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in root.rglob("*.*"))


async def test_the_next_process_knows_what_lies_there(
    server: Keeping, item: Item, root: Path, board: Board
) -> None:
    trashed_id = await server.trash(item, KEY)
    later = again(server, root)
    assert await later.in_trash(trashed_id) == await server.in_trash(trashed_id)
    back = await later.untrash(trashed_id, board.board_id)
    assert (await again(later, root).untrash(trashed_id, board.board_id)).item_id == back.item_id


async def test_a_lost_answer_to_a_deletion_is_no_loss(
    server: Keeping, inner: MemoryServer, item: Item, board: Board
) -> None:
    inner.faults.lost_changes = 1
    with pytest.raises(OutcomeUnknown):
        await server.trash(item, KEY)
    # Where ids are names, somebody puts another picture there before it is asked again.
    new = inner.put(board.board_id, "a.png", picture(2))
    trashed_id = await server.trash(item, KEY)
    assert await server.in_trash(trashed_id) is not None
    assert [one.item.item_id for one in inner.on_board(board.board_id)] == [new.item_id]


async def test_a_deletion_that_never_arrived_is_repeated(
    server: Keeping, inner: MemoryServer, item: Item, board: Board, root: Path
) -> None:
    inner.faults.dropped_changes = 1
    with pytest.raises(OutcomeUnknown):
        await server.trash(item, KEY)
    assert inner.on_board(board.board_id)
    later = again(server, root)
    assert [one.trashed for one in await later.find(upload_of(picture()).mark.token)] == [False]
    await later.trash(item, KEY)
    assert inner.on_board(board.board_id) == []
    assert files(root)[f"{KEY}/picture.png"] == picture()


async def test_what_cannot_be_fetched_is_not_deleted(
    server: Keeping, inner: MemoryServer, item: Item, board: Board, root: Path
) -> None:
    inner.faults.errors = []
    inner._stock.one(item).whole = False
    with pytest.raises(TryAgain):
        await server.trash(item, KEY)
    assert inner.on_board(board.board_id)
    assert await again(server, root).find("none") == []
    assert list(root.iterdir()) == [], "what a failure left is removed"


async def test_a_full_disk_deletes_nothing(inner: MemoryServer, item: Item, board: Board) -> None:
    disk = SimDisk(lambda: 0, random.Random(1))
    disk.make(b"/kept")
    disk.faults.room = 10
    with pytest.raises(NoRoom, match="disk is full"):
        await Keeping(inner, KeptPictures(b"/kept", disk)).trash(item, KEY)
    assert inner.on_board(board.board_id)


async def test_what_rotted_on_the_disk_is_not_sent_back(
    server: Keeping, item: Item, root: Path, board: Board, inner: MemoryServer
) -> None:
    trashed_id = await server.trash(item, KEY)
    (root / KEY / "picture.png").write_bytes(picture()[:-1] + b"?")
    with pytest.raises(Refused, match="not the picture any more"):
        await server.untrash(trashed_id, board.board_id)
    assert inner.on_board(board.board_id) == []
    assert await server.in_trash(trashed_id) is not None


@pytest.mark.parametrize("fault", ["lost_answers", "lost_uploads"])
async def test_a_lost_answer_to_what_comes_back_makes_no_double(
    server: Keeping, inner: MemoryServer, item: Item, board: Board, root: Path, fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    trashed_id = await server.trash(item, KEY)
    setattr(inner.faults, fault, 1)
    with pytest.raises(OutcomeUnknown):
        await server.untrash(trashed_id, board.board_id)
    later = again(server, root)
    if fault == "lost_uploads":
        with pytest.raises(OutcomeUnknown, match="looked for again soon"):
            await later.untrash(trashed_id, board.board_id)
        monkeypatch.setattr(returning, "LOOK_AGAIN_SECONDS", 0.0)
    back = await later.untrash(trashed_id, board.board_id)
    assert [one.item for one in inner.on_board(board.board_id)] == [back]


async def test_what_had_no_mark_makes_no_double_either(
    server: Keeping, inner: MemoryServer, board: Board, root: Path
) -> None:
    theirs = inner.put(board.board_id, "theirs.png", picture(3))
    trashed_id = await server.trash(theirs, KEY)
    inner.faults.lost_answers = 1
    with pytest.raises(OutcomeUnknown):
        await server.untrash(trashed_id, board.board_id)
    await again(server, root).untrash(trashed_id, board.board_id)
    assert [one.content for one in inner.on_board(board.board_id)] == [picture(3)]


async def test_while_the_server_is_away_it_stays_in_the_trash(
    server: Keeping, inner: MemoryServer, item: Item, board: Board
) -> None:
    trashed_id = await server.trash(item, KEY)
    inner.faults.unreachable = True
    with pytest.raises(ServerUnreachable):
        await server.untrash(trashed_id, board.board_id)
    assert await server.in_trash(trashed_id) is not None


async def test_purging_leaves_nothing_on_the_disk(server: Keeping, item: Item, root: Path) -> None:
    await server.purge(await server.trash(item, KEY))
    assert list(root.iterdir()) == []


async def test_a_replacement_that_is_refused_leaves_nothing_behind(
    inner: MemoryServer, server: Keeping, item: Item, board: Board, root: Path
) -> None:
    if not inner.capabilities.names_kept:
        pytest.skip("nothing can be replaced")
    inner.faults.refuses = lambda _: "not today"
    new = replace(upload_of(picture(2)), replaces=item, trash_key=KEY)
    [answer] = await server.upload(board.board_id, [new])
    assert answer.outcome is Outcome.REFUSED
    assert files(root) == {}
    assert await server.in_trash(f"{KEPT}/{KEY}") is None
    inner.faults.refuses = lambda _: None
    [answer] = await server.upload(board.board_id, [new])
    assert answer.outcome is Outcome.STORED
    assert hashlib.sha256(files(root)[f"{KEY}/picture.png"]).digest() == (
        hashlib.sha256(picture()).digest()
    )


@pytest.mark.parametrize("trashed_id", [f"{KEPT}/../../etc", f"{KEPT}/", f"{KEPT}/A", "other"])
async def test_nothing_outside_is_ever_touched(server: Keeping, trashed_id: str) -> None:
    with pytest.raises(ItemMissing):
        await server.purge(trashed_id)


async def test_what_a_person_put_there_is_left_alone(
    server: Keeping, item: Item, root: Path
) -> None:
    root.mkdir()
    (root / "Notes").mkdir()
    (root / "Notes" / "mine.txt").write_text("keep")
    (root / "broken").mkdir()
    (root / "broken" / "about.json").write_text("{")
    (root / "notes").mkdir()
    (root / "notes" / "mine.txt").write_text("keep")
    await server.trash(item, KEY)
    later = again(server, root)
    assert await later.in_trash(f"{KEPT}/{KEY}") is not None
    assert await later.in_trash(f"{KEPT}/notes") is None
    with pytest.raises(TryAgain, match="cannot be read"):
        await later.in_trash(f"{KEPT}/broken")
    assert {"Notes/mine.txt", "notes/mine.txt", "broken/about.json"} < set(files(root))
