"""why says of every kind of action what its file, and its item, wait for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from boardsync.engine.action_words import OF_FILES, OF_ITEMS
from boardsync.engine.observe_files import observe_folder
from boardsync.engine.why import why
from boardsync.model import Action, ActionKind
from boardsync.state import links, places, transfers
from engine.world import World, world

FILE_WORDS = {
    ActionKind.UPLOAD: "waiting to be sent",
    ActionKind.DOWNLOAD: "waiting for its item to be fetched",
    ActionKind.TRASH_ITEM: "waiting for its item to be put into the trash",
    ActionKind.TRASH_FILE: "waiting to be put into the trash",
}
ITEM_WORDS = {
    ActionKind.DOWNLOAD: "waiting to be fetched",
    ActionKind.TRASH_ITEM: "waiting to be put into the trash",
    ActionKind.MOVE_FILE: "waiting for its file to be moved",
}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """One picture in step."""
    async with world(tmp_path) as made:
        made.write("a.png")
        assert (await made.look()).synced == 1
        yield made


def plan(here: World, kind: ActionKind) -> str:
    """Have something planned for the picture; return the id of its item."""
    [mirror] = here.assembly.mirrors

    def write(c: Connection) -> str:
        [link] = links.of_path(c, mirror.number, b"a.png")
        [board] = places.boards(c, mirror.number)
        action = Action(kind, mirror.key, "because", path=b"a.png", item_id=link.item_id, token="t")
        transfers.plan_transfers(c, mirror.number, [(board.id, action)], 1, 1)
        return link.item_id

    return here.state.write_now(write)


def test_every_kind_that_travels_has_its_words() -> None:
    assert set(OF_FILES) == set(OF_ITEMS) == set(transfers.TRAVELLING)
    assert [kind for kind, words in OF_FILES.items() if "sent" in words] == [ActionKind.UPLOAD]
    assert [kind for kind, words in OF_ITEMS.items() if "sent" in words] == [ActionKind.UPLOAD]


@pytest.mark.parametrize("kind", FILE_WORDS)
async def test_a_file_waits_for_what_is_planned(here: World, kind: ActionKind) -> None:
    plan(here, kind)
    [told] = why(here.assembly.settings, here.state, "a.png")
    assert told["verdict"] == f"{FILE_WORDS[kind]}: because"


@pytest.mark.parametrize("kind", ITEM_WORDS)
async def test_an_item_waits_for_what_is_planned(here: World, kind: ActionKind) -> None:
    item = plan(here, kind)
    [told] = why(here.assembly.settings, here.state, item)
    assert told["verdict"] == f"{ITEM_WORDS[kind]}: because"


async def test_a_deleted_file_whose_item_is_to_go_says_so(here: World) -> None:
    plan(here, ActionKind.TRASH_ITEM)
    (here.folder / "a.png").unlink()
    [mirror] = here.assembly.mirrors
    await observe_folder(mirror)
    [told] = why(here.assembly.settings, here.state, "a.png")
    assert told["verdict"] == "waiting for its item to be put into the trash: because"
