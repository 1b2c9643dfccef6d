"""2. A bad listing read as deletion: whatever a server says by mistake, no file is deleted."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from boardsync.errors import ServerFault, ServerUnreachable
from boardsync.files.disk import SYSTEM
from boardsync.model import Listing
from engine.world import picture
from sampling import one_in
from scenarios.ground import PASSING_ON, Ground, InvokeAIHands, ground
from servers.fake_http import json_response
from servers.fake_invokeai import CUT, DROPPED, WEB_PAGE, Fault, proxy_page, status

FILES = 30
Lie = Callable[[Listing], Listing]


def cut(share: float, *, complete: bool = True) -> Lie:
    """Give only the first part of a listing; complete: what the listing says of itself."""

    def lie(listing: Listing) -> Listing:
        entries = listing.entries or ()
        kept = entries[: int(len(entries) * share)]
        return replace(listing, digest=f"cut to {share}", entries=kept, complete=complete)

    return lie


class Walks:
    """The machine's disk, on which it is counted how often a folder is walked."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._folder = os.fsencode(folder)

    def __getattr__(self, name: str) -> object:
        return getattr(SYSTEM, name)

    def scandir(self, path: bytes) -> object:
        self.count += path.rstrip(b"/") == self._folder
        return SYSTEM.scandir(path)


async def require_kept(here: Ground, passes: int = 3) -> None:
    """No file goes, however often the bad answer comes."""
    before = here.local()
    for _ in range(passes):
        await here.look(patience=60.0)
        assert here.local() == before
    assert here.shows(range(FILES))


async def require_healed(here: Ground) -> None:
    sent = here.server.sent
    await here.settled()
    assert here.told()["condition"] == "synced"
    assert (here.told()["synced"], here.server.sent) == (FILES, sent)
    assert here.shows(range(FILES))


@pytest.mark.parametrize("complete", [True, False], ids=["said to be whole", "said to be partial"])
@pytest.mark.parametrize("share", [0.0, 0.97, 0.5])
async def test_a_short_or_empty_listing_deletes_nothing_and_the_next_one_heals(
    here: Ground, share: float, complete: bool
) -> None:
    await here.fill(FILES)
    here.server.listed = cut(share, complete=complete)

    await require_kept(here)

    here.server.listed = lambda listing: listing
    await require_healed(here)


async def test_an_error_in_the_middle_of_a_listing_deletes_nothing(here: Ground) -> None:
    await here.fill(FILES)

    def fail(operation: str) -> None:
        if operation == "listing":
            raise ServerFault("500 on page 3")

    here.server.fail = fail
    await require_kept(here)
    assert here.told()["condition"] == "waiting"

    here.server.fail = lambda operation: None
    await require_healed(here)


async def test_a_server_that_lists_nothing_and_cannot_be_asked_deletes_nothing(
    here: Ground,
) -> None:
    """The second question is what proves a deletion: without its answer nothing is proven."""
    await here.fill(FILES)
    here.disk = walks = Walks(here.folder)
    await here.restart()
    here.server.listed = cut(0.0)

    def fail(operation: str) -> None:
        if operation == "items":
            raise ServerUnreachable("connection refused")

    here.server.fail = fail
    await require_kept(here)
    assert walks.count < 60, "it is looked at again and again while nobody can be asked"

    here.server.fail, here.server.listed = lambda operation: None, lambda listing: listing
    await require_healed(here)


BAD_ANSWERS = {
    "an empty list": Fault(answer=json_response([])),
    "the web page": WEB_PAGE,
    "500": status(500),
    "404 of a proxy": proxy_page(404),
    "404 of the server": status(404, "Board not found"),
    "502": proxy_page(502),
    "null": Fault(answer=json_response(None)),
    "cut": CUT,
    "no answer": DROPPED,
}


@pytest.mark.parametrize("answer", one_in(3, BAD_ANSWERS))
async def test_a_bad_answer_on_the_wire_deletes_nothing(
    tmp_path: Path, answer: str, chance: random.Random
) -> None:
    async with ground(tmp_path, "invokeai", policies=PASSING_ON) as here:
        await here.fill(FILES)
        hands = here.hands
        assert isinstance(hands, InvokeAIHands)
        hands.fake.inject("board_names", BAD_ANSWERS[answer], times=chance.randint(1, 9))

        await require_kept(here)

        hands.fake._faults.clear()
        await require_healed(here)


async def test_a_board_that_is_gone_keeps_the_files(here: Ground) -> None:
    await here.fill(FILES)
    files = here.local()
    here.hands.drop_board()
    for _ in range(3):
        await here.look()
        assert here.local() == files
    assert "was deleted" in (here.told()["trouble"] or "")
    assert here.hands.contents() == {}


async def test_a_board_made_again_under_its_name_gets_the_pictures_and_takes_none(
    here: Ground,
) -> None:
    await here.fill(FILES)
    files = here.local()
    here.hands.drop_board()
    here.hands.remove(here.hands.put("new.png", picture(500)))

    for _ in range(4):
        await here.look()

    assert here.local() == files
    if here.server.capabilities.names_kept:
        # A name is an id there: it is the same board, and everything on it was deleted.
        assert (here.told()["held"], here.hands.contents()) == (FILES, {})
    else:
        assert here.shows(range(FILES))


async def test_a_server_restored_from_an_old_backup_deletes_no_file(here: Ground) -> None:
    """What it forgot is gone there, really: that many deletions wait for consent."""
    await here.fill(15)
    restore = here.hands.keep()
    for seed in range(15, FILES):
        here.write(f"new/{seed}.png", seed=seed)
    await here.look()
    files = here.local()
    assert here.shows(range(FILES))

    restore()
    for _ in range(3):
        await here.look()
        assert here.local() == files
    assert (here.told()["condition"], here.told()["held"]) == ("held", 15)
    assert here.shows(range(15))


@pytest.mark.parametrize("kind", ["directory"], indirect=True)
@pytest.mark.parametrize("left", ["nothing", "an empty mount point"])
async def test_a_servers_disk_that_is_not_mounted_deletes_nothing(here: Ground, left: str) -> None:
    await here.fill(FILES)
    root = here.hands.root
    away = root.rename(root.with_name("disk"))
    if left != "nothing":
        root.mkdir()
    files = here.local()
    for _ in range(2):
        result = await here.look()
        assert (here.local(), here.told()["condition"]) == (files, "waiting")
        assert "mount" in (result.trouble or "")
        await here.restart()

    shutil.rmtree(root, ignore_errors=True)
    away.rename(root)
    await require_healed(here)
