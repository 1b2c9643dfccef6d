"""Holds: what waits for an answer is told exactly, and an answer is for that and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.consent import answer, list_holds
from boardsync.engine.report import history, status
from boardsync.engine.trash_can import list_trash
from boardsync.engine.undo import undo
from boardsync.errors import SettingsError
from boardsync.plan.links import Consent
from engine.world import World, picture, world

TRASH = {"file_deleted": "trash", "item_deleted": "trash"}
FILES = 60


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """A mirror that passes deletions on, in step, of which 54 files of 60 were deleted."""
    async with world(tmp_path, policies=TRASH) as made:
        for seed in range(FILES):
            made.write(name_of(seed), seed=seed)
        await made.look()
        for seed in range(54):
            (made.folder / name_of(seed)).unlink()
        assert (await made.look()).held == 54
        yield made


def name_of(seed: int) -> str:
    return f"{seed:02}.png"


def holds_of(here: World) -> list[dict[str, Any]]:
    return list_holds(here.assembly.settings, here.state)


async def give(here: World, consent: Consent) -> int:
    (hold,) = holds_of(here)
    _, count = await answer(here.assembly.mirrors, hold["hold"], consent)
    return count


async def test_it_tells_what_waits_how_many_since_when_and_some_of_them(here: World) -> None:
    (hold,) = holds_of(here)

    assert (hold["mirror"], hold["side"], hold["count"]) == ("m", "item", 54)
    assert [one["path"] for one in hold["examples"]] == [name_of(seed) for seed in range(10)]
    assert all(one["board"] == "board" for one in hold["examples"])
    assert "54 of 60 pictures" in hold["reason"]
    (told,) = status(here.assembly.settings, here.state)["mirrors"]
    assert told["condition"] == "held"
    assert told["holds"] == [
        {"hold": hold["hold"], "side": "item", "count": 54, "since_ms": hold["since_ms"]}
    ]


async def test_without_a_state_nothing_waits(here: World) -> None:
    assert list_holds(here.assembly.settings, None) == []


async def test_it_stays_with_its_number_and_its_moment_over_restarts_and_passes(
    here: World,
) -> None:
    before = holds_of(here)
    await here.restart()
    await here.look()
    await here.look()

    assert holds_of(here) == before
    assert len(here.items()) == FILES


async def test_what_comes_back_leaves_it_and_the_rest_keeps_waiting(here: World) -> None:
    (before,) = holds_of(here)
    for seed in range(20):
        here.write(name_of(seed), seed=seed)
    await here.look()

    (after,) = holds_of(here)

    assert (after["hold"], after["count"]) == (before["hold"], 34)
    assert (await here.look()).uploaded == 0


async def test_approving_removes_exactly_what_was_shown_and_undo_returns_it(here: World) -> None:
    before = sorted(item.item_id for item in here.items())

    assert await give(here, Consent.APPROVED) == 54
    result = await here.look()

    assert (result.trashed, result.held, holds_of(here)) == (54, 0, [])
    assert here.contents() == sorted(picture(seed) for seed in range(54, FILES))
    assert list_trash(here.assembly.settings, here.state)["mirrors"][0]["count"] == 54
    run = history(here.assembly.settings, here.state, limit=1)[0]["id"]
    done = await undo(here.assembly, run)
    assert len(done.told) == 54
    assert sorted(item.item_id for item in here.items()) == before
    assert await here.quiet()


async def test_restoring_brings_all_of_it_back(here: World) -> None:
    assert await give(here, Consent.RESTORE) == 54
    result = await here.look()

    assert (result.downloaded, result.trashed, result.held) == (54, 0, 0)
    assert here.local() == {name_of(seed): picture(seed) for seed in range(FILES)}
    assert await here.quiet()


async def test_dismissing_leaves_both_sides_as_they_are(here: World) -> None:
    assert await give(here, Consent.DISMISSED) == 54
    result = await here.look()

    assert (result.downloaded, result.trashed, result.held) == (0, 0, 0)
    assert (len(here.local()), len(here.items())) == (6, FILES)
    assert await here.quiet()


async def test_an_answer_to_what_was_answered_or_never_was_is_refused(here: World) -> None:
    (hold,) = holds_of(here)
    await give(here, Consent.DISMISSED)

    for number in (hold["hold"], 99):
        with pytest.raises(SettingsError, match=f"there is no hold {number} "):
            await answer(here.assembly.mirrors, number, Consent.APPROVED)
    assert len(here.items()) == FILES


async def test_both_sides_are_held_apart_and_answered_apart(tmp_path: Path) -> None:
    async with world(tmp_path, policies=TRASH) as here:
        for seed in range(40):
            here.write(name_of(seed), seed=seed)
        await here.look()
        for seed in range(12):
            (here.folder / name_of(seed)).unlink()
        contents = {stored.content: stored for stored in here.server.on_board(
            here.board().board_id)}  # fmt: skip
        for seed in range(20, 32):
            here.server.remove(contents[picture(seed)].item.item_id)
        assert (await here.look()).held == 24
        sides = {one["side"]: one["hold"] for one in holds_of(here)}

        await answer(here.assembly.mirrors, sides["item"], Consent.RESTORE)
        result = await here.look()
        assert (result.downloaded, result.uploaded, result.held) == (12, 0, 12)
        await answer(here.assembly.mirrors, sides["file"], Consent.RESTORE)
        result = await here.look()

        assert (result.downloaded, result.uploaded, result.held) == (0, 12, 0)
        assert (len(here.local()), len(here.items())) == (40, 40)
        assert await here.quiet()
