"""Verifying: every linked item shows what was sent, or is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine import report
from boardsync.engine.again import again_everywhere
from boardsync.engine.steering import pause
from boardsync.engine.verify import DIFFERS, TORN, Verified, verify, verify_share
from boardsync.engine.why import why
from boardsync.formats import JPEG, PNG
from boardsync.model import Capabilities, Item, Upload
from boardsync.servers.memory import CAPABILITIES, MemoryServer
from boardsync.servers.port import BoardId
from engine.test_adopt import LIKE_INVOKEAI
from engine.undo_kit import APART
from engine.world import World, picture, world
from picture_samples import as_invokeai_stores, sample

PULLED = "outputs/item-000002.png"


class Encoding(MemoryServer):
    """Encodes what comes anew, where its capabilities say so."""

    def put_upload(
        self, board_id: BoardId, upload: Upload, name: str, *, whole: bool = True
    ) -> Item:
        if self.capabilities.reencodes:
            upload = replace(upload, content=as_invokeai_stores(upload.content))
        return super().put_upload(board_id, upload, name, whole=whole)


@pytest.fixture(params=[CAPABILITIES, LIKE_INVOKEAI], ids=["keeping bytes", "encoding anew"])
def capabilities(request: pytest.FixtureRequest) -> Capabilities:
    found: Capabilities = request.param
    return found


@pytest.fixture
async def here(tmp_path: Path, capabilities: Capabilities) -> AsyncIterator[World]:
    async with world(tmp_path, Encoding("server", capabilities)) as made:
        made.server.add_board("board")
        made.clock.skip(APART)
        made.write("a.png", seed=1)
        made.write("b.jpg", sample(JPEG, "RGB", (24, 16), seed=2))
        made.write("c.png", sample(PNG, "P", (24, 16), seed=3))
        made.server.put(made.board().board_id, "x.png", picture(4), size=(24, 16))
        assert (await made.look()).synced == 4
        yield made


async def verified(here: World, **asked: Any) -> Verified:
    return (await verify(here.assembly, **asked))[0]


def counts(told: Verified) -> tuple[int, int, int, int, int, int]:
    unknown = sum(told.unknown.values())
    return told.checked, told.same, told.strayed_count, told.gone, told.changed, unknown


def status(here: World) -> dict[str, Any]:
    [told] = report.status(here.assembly.settings, here.state, here.clock)["mirrors"]
    return dict(told)


def item_of(here: World, path: str) -> str:
    [told] = why(here.assembly.settings, here.state, str(here.folder / path))
    return str(told["links"][0]["item_id"])


def spoil(here: World, path: str, content: bytes) -> None:
    """Change an item's bytes as a failing disk of the server does: its version stays."""
    here.server._stock.one(item_of(here, path)).content = content


async def test_what_shows_what_was_sent_is_told_so_and_nothing_is_changed(here: World) -> None:
    before = here.contents(), here.local()
    told = await verified(here)
    assert counts(told) == (4, 4, 0, 0, 0, 0)
    assert (here.contents(), here.local()) == before
    assert status(here)["condition"] == "synced"
    assert set(here.server.calls) & {"upload", "move", "trash"} <= {"upload"}


async def test_an_item_that_shows_something_else_is_told_until_it_is_right_again(
    here: World,
) -> None:
    good = here.server._stock.one(item_of(here, "a.png")).content
    spoil(here, "a.png", picture(9))
    told = await verified(here)
    assert counts(told) == (4, 3, 1, 0, 0, 0)
    [one] = told.strayed
    assert (one["path"], one["board"], one["words"]) == ("a.png", "board", DIFFERS)
    assert (status(here)["strayed"], status(here)["condition"]) == (1, "incomplete")
    [words] = [one["verdict"] for one in why(here.assembly.settings, here.state, "a.png")]
    assert words.startswith("not as sent: ")
    await here.restart()
    assert status(here)["strayed"] == 1

    spoil(here, "a.png", good)
    assert counts(await verified(here)) == (4, 4, 0, 0, 0, 0)
    assert status(here)["condition"] == "synced"


async def test_what_is_told_to_do_helps(here: World) -> None:
    spoil(here, "a.png", picture(9))
    await verified(here)
    assert await again_everywhere(here.assembly, str(here.folder / "a.png"))
    assert (await here.look()).uploaded == 1
    assert [one.content for one in here.server.in_the_trash()] == [picture(9)]
    assert counts(await verified(here)) == (4, 4, 0, 0, 0, 0)
    assert status(here)["condition"] == "synced"


async def test_a_pulled_items_own_bytes_are_what_counts(here: World) -> None:
    spoil(here, PULLED, sample(PNG, "RGB", (24, 16), seed=5))
    assert counts(await verified(here)) == (4, 3, 1, 0, 0, 0)


async def test_what_is_no_picture_any_more_has_strayed(here: World) -> None:
    spoil(here, "c.png", b"nothing of a picture")
    told = await verified(here)
    assert counts(told) == (4, 3, 1, 0, 0, 0)


async def test_what_is_gone_or_still_written_is_no_stray(here: World) -> None:
    here.server.remove(item_of(here, "a.png"))
    here.server._stock.one(item_of(here, "b.jpg")).whole = False
    told = await verified(here)
    assert counts(told) == (4, 2, 0, 1, 0, 1)
    assert list(told.unknown) == ["the server is still writing it"]
    here.clock.skip(120.0)
    told = await verified(here)
    assert counts(told) == (4, 2, 1, 1, 0, 0)
    assert [one["words"] for one in told.strayed] == [TORN]


async def test_a_file_that_was_changed_tells_nothing_where_pixels_count(
    here: World, capabilities: Capabilities
) -> None:
    here.write("a.png", seed=8)
    told = await verified(here)
    unknown = int(capabilities.reencodes)
    assert counts(told) == (4, 4 - unknown, 0, 0, 0, unknown)


async def test_each_share_has_its_turn(here: World) -> None:
    seen = []
    for turn in range(4):
        here.server.calls.clear()
        told = await verified(here, share=0.25, turn=turn)
        assert (told.linked, told.checked, here.server.calls["download"]) == (4, 1, 1)
        seen.append(told)
    for path in ("a.png", "b.jpg", "c.png", PULLED):
        spoil(here, path, picture(9))
    assert sum([(await verified(here, share=0.4, turn=t)).strayed_count for t in (0, 1)]) == 4


async def test_the_timetable_looks_at_its_share_and_rests_while_it_is_paused(here: World) -> None:
    here.server.calls.clear()
    assert await verify_share(here.assembly)
    assert here.server.calls["download"] == 1
    await pause(here.assembly, ["m"])
    assert await verify_share(here.assembly)
    assert here.server.calls["download"] == 1


async def test_a_server_that_is_away_is_trouble_and_no_stray(here: World) -> None:
    here.server.faults.unreachable = True
    told = await verified(here)
    assert (told.later, told.strayed_count, told.checked) == (True, 0, 0)
    assert "connection refused" in str(told.trouble)
