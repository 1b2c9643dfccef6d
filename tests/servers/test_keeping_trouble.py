"""The trash on this machine when things go wrong at the same time, or at the wrong moment."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from boardsync.errors import (
    BoardsyncError,
    ItemChanged,
    ItemMissing,
    OutcomeUnknown,
    ServerRefused,
    TryAgain,
)
from boardsync.model import Board, Item, Mark, Outcome
from boardsync.servers.memory import DELETING, NAMED, MemoryServer
from boardsync.servers.port import BoardId, Server
from boardsync.servers.wrappers import returning
from boardsync.servers.wrappers.keeping import Keeping
from boardsync.servers.wrappers.kept import KEPT, KeptPictures
from boardsync.servers.wrappers.retrying import _WRITES
from servers.contract import picture, stored, upload_of

KEY = "removal-1"
DELETING_NAMED = replace(NAMED, trash=False, deletes=True)
READS = {
    "probe", "boards", "board", "listing", "items", "marks", "find", "matching", "starred",
    "download", "complete", "in_trash",
}  # fmt: skip


@pytest.fixture(params=[DELETING, DELETING_NAMED], ids=["ids", "names"])
def inner(request: pytest.FixtureRequest) -> MemoryServer:
    return MemoryServer("memory", request.param)


@pytest.fixture
def named() -> MemoryServer:
    return MemoryServer("memory", DELETING_NAMED)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def opened(inner: MemoryServer, root: Path) -> Keeping:
    """Return the server as a process finds it."""
    return Keeping(inner, KeptPictures(bytes(root)))


async def begin(inner: MemoryServer, number: int = 1) -> tuple[Board, Item]:
    board = await inner.create_board("board")
    [result] = await inner.upload(board.board_id, [upload_of(picture(number), "a.png")])
    return board, stored(result)


def contents(inner: MemoryServer, board_id: BoardId) -> list[bytes]:
    return [one.content for one in inner.on_board(board_id)]


def test_every_operation_is_one_that_may_be_repeated_or_one_that_may_not() -> None:
    operations = {name for name in vars(Server) if not name.startswith("_")}
    assert operations - {"name", "capabilities", "aclose"} == READS | _WRITES


@pytest.mark.parametrize("spoilt", [b"rot", None])
@pytest.mark.parametrize("restarted", [False, True])
async def test_nothing_is_deleted_on_the_word_of_a_record_alone(
    inner: MemoryServer, root: Path, spoilt: bytes | None, restarted: bool
) -> None:
    server = opened(inner, root)
    board, item = await begin(inner)
    inner.faults.dropped_changes = 1
    with pytest.raises(OutcomeUnknown):
        await server.trash(item, KEY)
    saved = root / KEY / "picture.png"
    saved.unlink() if spoilt is None else saved.write_bytes(spoilt)
    await (opened(inner, root) if restarted else server).trash(item, KEY)
    assert contents(inner, board.board_id) == []
    assert saved.read_bytes() == picture(1)


async def test_nothing_is_replaced_on_the_word_of_a_record_alone(
    named: MemoryServer, root: Path
) -> None:
    server = opened(named, root)
    board, item = await begin(named)
    new = replace(upload_of(picture(2), "a.png"), replaces=item, trash_key=KEY)
    named.faults.lost_uploads = 1
    [answer] = await server.upload(board.board_id, [new])
    assert answer.outcome is Outcome.UNKNOWN
    (root / KEY / "picture.png").unlink()
    await server.upload(board.board_id, [new])
    assert (root / KEY / "picture.png").read_bytes() == picture(1)


async def test_what_came_back_counts_as_saved_no_more(inner: MemoryServer, root: Path) -> None:
    server = opened(inner, root)
    board, item = await begin(inner)
    back = await server.untrash(await server.trash(item, KEY), board.board_id)
    trashed_id = await server.trash(back, KEY)
    assert await server.in_trash(trashed_id) is not None
    assert (root / KEY / "picture.png").read_bytes() == picture(1)


async def test_asking_where_the_replaced_one_lies_never_deletes_its_successor(root: Path) -> None:
    constant = MemoryServer("memory", replace(DELETING_NAMED, mutable=False))
    server = opened(constant, root)
    board, item = await begin(constant)
    new = replace(upload_of(picture(2), "a.png"), replaces=item, trash_key=KEY)
    await server.upload(board.board_id, [new])
    assert await server.trash(item, KEY) == f"{KEPT}/{KEY}"
    assert contents(constant, board.board_id) == [picture(2)]


async def test_one_replacement_that_cannot_be_saved_leaves_the_others_alone(
    named: MemoryServer, root: Path
) -> None:
    server = opened(named, root)
    board, item = await begin(named)
    named.faults.errors = []
    replacing = replace(upload_of(picture(2), "a.png"), replaces=item, trash_key=KEY)
    other = upload_of(picture(3), "b.png")
    for error, outcome in (
        (ServerRefused("not this one"), Outcome.REFUSED), (TryAgain("later"), Outcome.UNKNOWN),
    ):  # fmt: skip
        named.faults.errors = [error]
        answers = await server.upload(board.board_id, [replacing, other])
        assert answers[0].outcome is outcome
        assert answers[1].outcome in (Outcome.STORED, Outcome.EXISTED)
    assert picture(1) in contents(named, board.board_id)


async def test_many_at_once_from_the_first_moment_on(inner: MemoryServer, root: Path) -> None:
    board = await inner.create_board("board")
    names = [f"{number}.png" for number in range(24)]
    sent = [
        stored((await inner.upload(board.board_id, [upload_of(picture(n), name)]))[0])
        for n, name in enumerate(names)
    ]
    first = opened(inner, root)
    await asyncio.gather(*(first.trash(item, f"k-{n}") for n, item in enumerate(sent[:12])))
    second = opened(inner, root)
    trashed = await asyncio.gather(
        *(second.trash(item, f"k-{n + 12}") for n, item in enumerate(sent[12:]))
    )
    assert all([await second.in_trash(one) for one in trashed])
    everything = opened(inner, root)._kept.all()
    assert len({one.number for one in everything}) == len(everything) == 24
    assert contents(inner, board.board_id) == []


async def test_two_who_bring_it_back_at_once_bring_it_back_once(
    inner: MemoryServer, root: Path
) -> None:
    server = opened(inner, root)
    board, item = await begin(inner)
    trashed_id = await server.trash(item, KEY)
    both = [server.untrash(trashed_id, board.board_id) for _ in range(2)]
    one, other = await asyncio.gather(*both)
    assert one == other
    assert len(contents(inner, board.board_id)) == 1


async def test_after_a_deletion_that_may_still_come_true_nothing_saved_goes(root: Path) -> None:
    inner = MemoryServer("memory", DELETING)
    server = opened(inner, root)
    _, item = await begin(inner)
    inner.faults.dropped_changes = 1  # or late: nobody can tell
    with pytest.raises(OutcomeUnknown):
        await server.trash(item, KEY)
    inner.relocate(item, (await inner.create_board("other")).board_id)
    with pytest.raises(ItemChanged):
        await server.trash(item, KEY)
    assert (root / KEY / "picture.png").read_bytes() == picture(1)


async def test_what_changed_before_it_was_deleted_is_not_told_as_removed(
    named: MemoryServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = opened(named, root)
    board, item = await begin(named)
    saving = server._save

    async def save_then_edit(*arguments: object, **named_ones: object) -> object:
        kept = await saving(*arguments, **named_ones)  # type: ignore[arg-type]
        named.replace(item, picture(5))
        return kept

    monkeypatch.setattr(server, "_save", save_then_edit)
    with pytest.raises(ItemChanged):
        await server.trash(item, KEY)
    assert contents(named, board.board_id) == [picture(5)]
    assert list(root.rglob("*")) == []


async def test_a_removal_that_another_one_overtook_is_none(root: Path) -> None:
    inner = MemoryServer("memory", DELETING)
    server = opened(inner, root)
    _, item = await begin(inner)
    inner.faults.errors = []
    kept = await server._save(item, "k-1")  # killed before its deletion was sent
    await server.trash(item, "k-2")
    with pytest.raises(ItemMissing):
        await server.trash(item, kept.key)
    assert await server.in_trash(kept.trashed_id) is None
    assert await server.in_trash(f"{KEPT}/k-2") is not None


@pytest.mark.parametrize("marked", [True, False])
async def test_what_is_stored_late_on_its_way_back_is_found(
    inner: MemoryServer, root: Path, marked: bool
) -> None:
    server = opened(inner, root)
    board, item = await begin(inner)
    if not marked:
        inner._stock.one(item).mark = None
    trashed_id = await server.trash(item, KEY)
    inner.faults.late_uploads = 1
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await server.untrash(trashed_id, board.board_id)
    inner.commit_late()
    back = await server.untrash(trashed_id, board.board_id)
    assert len(contents(inner, board.board_id)) == 1
    [mark] = (await server.marks(board.board_id, [back.item_id])).values()
    assert isinstance(mark, Mark) is marked


async def test_a_ghost_of_what_comes_back_does_not_stand_in_its_way(
    inner: MemoryServer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = opened(inner, root)
    board, item = await begin(inner)
    trashed_id = await server.trash(item, KEY)
    inner.faults.ghosts = 1
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await server.untrash(trashed_id, board.board_id)
    monkeypatch.setattr(returning, "GHOST_SECONDS", 0.0)
    back = await server.untrash(trashed_id, board.board_id)
    assert [one.item for one in inner.on_board(board.board_id)] == [back]
    assert contents(inner, board.board_id) == [picture(1)]


async def test_what_another_put_there_is_not_taken_for_what_came_back(
    named: MemoryServer, root: Path
) -> None:
    server = opened(named, root)
    board, item = await begin(named)
    trashed_id = await server.trash(item, KEY)
    back = await server.untrash(trashed_id, board.board_id)
    named.replace(back, picture(8))
    with pytest.raises(ItemMissing):
        await server.untrash(trashed_id, board.board_id)


@pytest.mark.parametrize("about", ["null", "3", '"text"', "[" * 5000, "{}", '{"format": 1}'])
async def test_one_bad_record_stands_in_nobodys_way(
    inner: MemoryServer, root: Path, about: str
) -> None:
    (root / "bad").mkdir(parents=True)
    (root / "bad" / "about.json").write_text(about)
    (root / "bad" / "picture.png").write_bytes(picture(9))
    server = opened(inner, root)
    board, item = await begin(inner)
    await server.trash(item, KEY)
    assert contents(inner, board.board_id) == []
    assert (root / "bad" / "picture.png").read_bytes() == picture(9)
    with pytest.raises(TryAgain):
        await server.in_trash(f"{KEPT}/bad")


async def test_a_record_with_wrong_values_is_not_believed(inner: MemoryServer, root: Path) -> None:
    server = opened(inner, root)
    _, item = await begin(inner)
    trashed_id = await server.trash(item, KEY)
    about = root / KEY / "about.json"
    told = json.loads(about.read_text())
    for name, value in (("number", "many"), ("digest", None), ("unknown", 1), ("item", {})):
        about.write_text(json.dumps(told | {name: value}))
        with pytest.raises(TryAgain):
            await opened(inner, root).in_trash(trashed_id)


async def test_a_place_that_is_missing_proves_nothing(inner: MemoryServer, root: Path) -> None:
    server = opened(inner, root)
    _, item = await begin(inner)
    trashed_id = await server.trash(item, KEY)
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(TryAgain, match="missing; put it back"):
        await opened(inner, root).in_trash(trashed_id)


@pytest.mark.parametrize("extension", ["/../../x", "." + "x" * 300, "\0", ".\udcff", ""])
async def test_a_server_may_say_anything_of_an_extension(
    inner: MemoryServer, root: Path, extension: str
) -> None:
    server = opened(inner, root)
    _, item = await begin(inner)
    lying = inner._stock.one(item)
    lying.item = replace(lying.item, extension=extension)
    trashed_id = await server.trash(lying.item, KEY)
    assert (root / KEY / "picture").read_bytes() == picture(1)
    assert await opened(inner, root).in_trash(trashed_id) is not None


async def test_an_item_that_is_called_like_the_trash_is_an_item(
    named: MemoryServer, root: Path
) -> None:
    root.mkdir()
    server = opened(named, root)
    board = await named.create_board("board")
    item = named.put(board.board_id, f"{KEPT}/own.png", picture(4))
    assert await server.items(board.board_id, [item.item_id]) == [item]
    with contextlib.suppress(BoardsyncError):
        await server.purge(item.item_id)
    assert contents(named, board.board_id) == [picture(4)]
