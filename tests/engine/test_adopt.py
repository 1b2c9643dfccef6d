"""Taking over a board that was filled by hand, on a server in memory.

One kind keeps bytes; the other stores what InvokeAI makes of an upload.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image

from boardsync.engine.adopt import Adopted, Survey, adopt, survey
from boardsync.errors import ServerUnreachable, SettingsError
from boardsync.formats import BUILT_IN, JPEG, PNG, WEBP
from boardsync.model import Download, Item
from boardsync.servers.memory.server import CAPABILITIES, NAMED, MemoryServer
from boardsync.state import links
from engine.world import SkippingClock, World, picture, world
from picture_samples import as_invokeai_stores, sample

SIZE = (24, 16)
LIKE_INVOKEAI = replace(
    CAPABILITIES, reencodes=True, needs_upright=True, needs_srgb=True, needs_plain_modes=True,
    reads=BUILT_IN,
)  # fmt: skip


class Filled(World):
    """A world whose board somebody filled by hand."""

    def put(self, content: bytes, name: str = "x.png", size: tuple[int, int] = SIZE) -> Item:
        """Put a picture on the board, in its own bytes."""
        return self.server.put(self.board().board_id, name, content, size=size)

    def upload_plainly(self, content: bytes) -> Item:
        """Put on the board what InvokeAI makes of a picture."""
        stored = as_invokeai_stores(content)
        return self.put(stored, size=Image.open(BytesIO(stored)).size)

    async def survey(self) -> Survey:
        return (await survey(self.assembly))[0]

    async def adopt(self) -> Adopted:
        return (await adopt(self.assembly))[0]

    async def counts(self) -> tuple[int, int, int]:
        """Make a pass; return what it sent, fetched, and holds for synced."""
        result = await self.look()
        assert result.good, result
        return result.uploaded, result.downloaded, result.synced

    def items_of(self) -> dict[str, str]:
        """Return the item of each file."""
        mirror = self.assembly.mirrors[0]
        with self.state.read() as connection:
            return {
                path: one.item_id
                for path in self.local()
                for one in links.of_path(connection, mirror.number, path.encode())
                if one.state == "agreed"
            }


def filled(made: World) -> Filled:
    made.__class__ = Filled
    assert isinstance(made, Filled)
    made.server.add_board("board")
    return made


@pytest.fixture(params=["ids", "names"])
async def by_bytes(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Filled]:
    clock = SkippingClock()
    kind = CAPABILITIES if request.param == "ids" else NAMED
    server = MemoryServer("server", kind, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock) as made:
        yield filled(made)


@pytest.fixture
async def by_pixels(tmp_path: Path) -> AsyncIterator[Filled]:
    clock = SkippingClock()
    server = MemoryServer("server", LIKE_INVOKEAI, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock, direction="push") as made:
        yield filled(made)


async def test_a_survey_tells_the_cost_and_changes_nothing(by_bytes: Filled) -> None:
    for seed in (1, 2, 3):
        by_bytes.write(f"{seed}.png", seed=seed)
    by_bytes.put(picture(1), "a.png")
    by_bytes.put(b"another length", "b.png")

    told = await by_bytes.survey()

    assert (told.files, told.items, told.candidates, told.downloads) == (3, 2, 3, 1)
    assert told.total_bytes == len(picture(1))
    assert told.seconds is not None
    assert (told.trouble, told.settling) == (None, 0)
    assert by_bytes.items_of() == {}
    assert by_bytes.server.calls["upload"] == 0


async def test_equal_bytes_are_linked_and_nothing_travels_afterwards(by_bytes: Filled) -> None:
    for seed in (1, 2, 3):
        by_bytes.write(f"{seed}.png", seed=seed)
    items = [by_bytes.put(picture(seed), f"by hand {seed}.png") for seed in (1, 2)]

    told = await by_bytes.adopt()

    assert (told.linked, told.items, told.trouble) == (2, 2, None)
    assert by_bytes.items_of() == {"1.png": items[0].item_id, "2.png": items[1].item_id}
    assert by_bytes.server.calls["upload"] == 0
    assert await by_bytes.counts() == (1, 0, 3)
    assert len(by_bytes.items()) == 3
    assert await by_bytes.quiet()


async def test_pictures_are_known_by_their_pixels_however_they_were_stored(
    by_pixels: Filled,
) -> None:
    contents = {
        "plain.png": sample(PNG, "RGB", SIZE, seed=1),
        "palette.png": sample(PNG, "P", SIZE, seed=2),
        "holes.png": sample(PNG, "P", SIZE, seed=3, transparency=5),
        "turned.jpg": sample(JPEG, "RGB", SIZE, seed=4, orientation=6),
        "photo.webp": sample(WEBP, "RGB", SIZE, seed=5),
    }
    for name, content in contents.items():
        by_pixels.write(name, content)
    items = {name: by_pixels.upload_plainly(content) for name, content in contents.items()}

    told = await by_pixels.adopt()

    assert by_pixels.items_of() == {name: item.item_id for name, item in items.items()}
    assert (told.linked, told.unequal, told.sent_plain) == (5, 0, 2)
    assert await by_pixels.counts() == (0, 0, 5)
    assert len(by_pixels.items()) == 5


async def test_a_picture_that_was_turned_upright_by_another_tool_is_known(
    by_pixels: Filled,
) -> None:
    turned = sample(JPEG, "RGB", SIZE, seed=4, orientation=6)
    by_pixels.write("turned.jpg", turned)
    upright = BytesIO()
    opened = Image.open(BytesIO(turned))
    opened.transpose(Image.Transpose.ROTATE_270).save(upright, "PNG")
    by_pixels.put(upright.getvalue(), size=(16, 24))

    told = await by_pixels.adopt()

    assert (told.linked, told.sent_plain) == (1, 0)


async def test_what_only_has_the_same_dimensions_is_not_linked(by_pixels: Filled) -> None:
    by_pixels.write("a.png", seed=1)
    by_pixels.upload_plainly(picture(2))
    by_pixels.upload_plainly(sample(PNG, "RGB", (30, 30), seed=1))

    assert (await by_pixels.survey()).downloads == 1
    told = await by_pixels.adopt()

    assert (told.linked, told.unequal, told.run) == (0, 1, None)
    assert by_pixels.items_of() == {}
    assert await by_pixels.counts() == (1, 0, 1)


async def test_of_several_equal_items_the_oldest_is_linked_and_the_others_are_told(
    by_bytes: Filled,
) -> None:
    by_bytes.write("a.png", seed=1)
    items = []
    for name in ("zz.png", "mm.png", "aa.png"):
        items.append(by_bytes.put(picture(1), name))
        by_bytes.clock.skip(1)

    told = await by_bytes.adopt()

    assert by_bytes.items_of() == {"a.png": items[0].item_id}
    assert told.doubles_count == 2
    assert told.doubles == [{"item": one.item_id, "path": "a.png"} for one in items[1:]]
    assert len(by_bytes.items()) == 3


async def test_files_of_one_picture_share_its_item(by_bytes: Filled) -> None:
    by_bytes.write("a.png", seed=1)
    by_bytes.write("sub/b.png", seed=1)
    item = by_bytes.put(picture(1))

    told = await by_bytes.adopt()

    assert (told.linked, told.items) == (2, 1)
    assert set(by_bytes.items_of().values()) == {item.item_id}
    assert await by_bytes.counts() == (0, 0, 2)


async def test_where_every_file_has_its_own_item_each_gets_one(tmp_path: Path) -> None:
    async with world(tmp_path, policies={"same_picture": "each"}) as made:
        here = filled(made)
        here.write("a.png", seed=1)
        here.write("b.png", seed=1)
        here.write("c.png", seed=1)
        items = []
        for _ in range(2):
            items.append(here.put(picture(1)))
            here.clock.skip(1)

        told = await here.adopt()

        assert here.items_of() == {"a.png": items[0].item_id, "b.png": items[1].item_id}
        assert (told.linked, told.doubles_count) == (2, 0)
        assert await here.counts() == (1, 0, 3)


async def test_items_with_a_mark_are_none_of_its_business(by_bytes: Filled) -> None:
    by_bytes.write("a.png", seed=1)
    assert await by_bytes.counts() == (1, 0, 1)
    by_bytes.write("copy.png", seed=2)
    await by_bytes.restart(lose_state=True)

    told = await by_bytes.survey()

    assert (told.files, told.items, told.downloads) == (1, 0, 0)


async def test_an_adopted_picture_is_mirrored_like_any_other(by_bytes: Filled) -> None:
    by_bytes.write("a.png", seed=1)
    by_bytes.put(picture(1), "x.png")
    await by_bytes.adopt()
    await by_bytes.look()

    (by_bytes.folder / "a.png").rename(by_bytes.folder / "renamed.png")
    result = await by_bytes.look()

    assert (result.uploaded, result.downloaded, result.synced) == (0, 0, 1)
    assert len(by_bytes.items()) == 1


class Dying(MemoryServer):
    """Goes away after some downloads."""

    left = 1_000_000

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        self.left -= 1
        if self.left < 0:
            raise ServerUnreachable("server: connection refused")
        return await super().download(item, sink)


async def test_interrupted_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    clock = SkippingClock()
    server = Dying("server", LIKE_INVOKEAI, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock, direction="push") as made:
        here = filled(made)
        for seed in range(40):
            here.write(f"{seed}.png", seed=seed)
            here.upload_plainly(picture(seed))
        server.left = 20
        first = await here.adopt()
        assert first.trouble is not None
        assert first.later
        assert first.linked == 16
        server.left = 1_000_000
        await here.restart()
        clock.skip(60)
        server.calls.clear()

        second = await here.adopt()

        assert (second.linked, second.trouble) == (24, None)
        assert server.calls["download"] == 24
        assert await here.counts() == (0, 0, 40)
        assert len(here.items()) == 40


async def test_a_server_that_is_away_is_told_and_nothing_is_linked(by_bytes: Filled) -> None:
    by_bytes.write("a.png", seed=1)
    by_bytes.server.faults.unreachable = True

    told, surveyed = await by_bytes.adopt(), await by_bytes.survey()

    assert told.trouble is not None
    assert surveyed.trouble is not None
    assert told.later
    assert surveyed.later
    assert by_bytes.items_of() == {}


async def test_a_board_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        made.write("a.png", seed=1)

        [told] = await adopt(made.assembly)

        assert (told.linked, told.trouble) == (0, None)
        assert await made.server.boards() == []


async def test_uploads_that_were_planned_and_not_begun_are_taken_back(by_bytes: Filled) -> None:
    for seed in range(3):
        by_bytes.write(f"{seed}.png", seed=seed)
    by_bytes.server.faults.unreachable = True
    by_bytes.clock.skip(120)
    await by_bytes.look(patience=0)
    by_bytes.server.faults.unreachable = False
    for seed in range(3):
        by_bytes.put(picture(seed), f"x{seed}.png")
    by_bytes.clock.skip(600)

    told = await by_bytes.adopt()

    assert (told.linked, told.trouble) == (3, None)
    assert await by_bytes.counts() == (0, 0, 3)


async def test_boards_by_subfolder_are_adopted_each(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder") as made:
        for name, seed in (("cats", 1), ("dogs", 2)):
            made.write(f"{name}/1.png", seed=seed)
            board = made.server.add_board(name)
            made.server.put(board.board_id, "x.png", picture(1), size=SIZE)

        [told] = await adopt(made.assembly)

        assert (told.linked, told.unequal) == (1, 0 if len(picture(1)) != len(picture(2)) else 1)
        result = await made.look()
        assert result.uploaded == 1


async def test_a_mirror_that_is_not_there_is_refused(by_bytes: Filled) -> None:
    with pytest.raises(SettingsError, match="no mirror is called"):
        await adopt(by_bytes.assembly, ["other"])
    with pytest.raises(SettingsError, match="no mirror is called"):
        await survey(by_bytes.assembly, ["other"])


class Changing(MemoryServer):
    """Somebody deletes an item while others are fetched."""

    doomed: Sequence[Item] = ()

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        for one in self.doomed:
            self.remove(one)
        self.doomed = ()
        return await super().download(item, sink)


async def test_items_that_vanish_meanwhile_are_counted(tmp_path: Path) -> None:
    clock = SkippingClock()
    server = Changing("server", LIKE_INVOKEAI, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock, direction="push") as made:
        here = filled(made)
        for seed in (1, 2):
            here.write(f"{seed}.png", seed=seed)
        here.upload_plainly(picture(1))
        clock.skip(1)
        server.doomed = [here.upload_plainly(picture(2))]

        told = await here.adopt()

        assert (told.linked, told.unchecked) == (1, 1)
