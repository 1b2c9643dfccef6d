"""What was saved before a deletion and is told of by nothing: found, listed, kept for its time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from boardsync.engine.assembly import place_to_keep
from boardsync.engine.doctor_kept import kept_symptoms
from boardsync.engine.trash_can import list_trash, purge_expired, restore
from boardsync.errors import ServerRefused
from boardsync.model import Capabilities
from boardsync.servers.memory import MemoryServer
from boardsync.state import links
from engine.test_deleting_servers import (
    DAY,
    KINDS,
    POLICIES,
    delete,
    entries,
    pictures,
    saved,
)
from engine.undo_kit import APART, Killed, idle
from engine.world import World, world


@pytest.fixture(params=KINDS, ids=["ids", "names"])
async def here(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    capabilities: Capabilities = request.param
    async with world(tmp_path, MemoryServer("server", capabilities), policies=POLICIES) as made:
        made.kept = Path(os.fsdecode(place_to_keep(made.assembly.settings.state, "server")))
        await made.restart()
        made.server.add_board("board")
        made.clock.skip(APART)
        for seed in range(3):
            made.write(f"{seed}.png", seed=seed)
        await made.look()
        yield made


def told(here: World) -> list[str]:
    """Return what the doctor says."""
    found = kept_symptoms(here.assembly.settings, here.state)
    return [one.finding.text for one in found if not one.finding.good]


def mended(here: World) -> list[str]:
    found = kept_symptoms(here.assembly.settings, here.state)
    return [one.mend() for one in found if one.mend is not None]


async def killed(*_: object) -> None:
    raise Killed


async def call_off(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Save a picture, be killed before it is deleted, and find its file again."""
    (here.folder / "1.png").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(here.server, "delete", killed)
        with suppress(Killed, BaseExceptionGroup):
            await here.look()
    assert (saved(here), told(here)) == (pictures(1), [])  # its removal is under way
    here.write("1.png", seed=1)
    await here.restart()
    while not idle(await here.look()):
        pass


async def test_what_a_lost_state_knew_is_told_and_can_be_restored(here: World) -> None:
    await delete(here)
    assert told(here) == []
    await here.restart(lose_state=True)
    await here.look()
    assert entries(here) == []
    [words] = told(here)
    assert "1 picture" in words
    assert "saved before a deletion" in words
    assert "`boardsync doctor --mend` mends it" in words

    [done] = mended(here)
    assert "1 picture" in done
    assert told(here) == []
    [entry] = list_trash(here.assembly.settings, here.state)["trash"]
    assert "found saved" in entry["reason"]
    [restored] = await restore(here.assembly, [entry["id"]])
    assert restored.done
    assert (here.contents(), saved(here)) == (pictures(0, 1, 2), [])
    assert idle(await here.look())


async def test_it_goes_for_good_when_the_time_of_the_trash_is_over_and_not_before(
    here: World,
) -> None:
    await delete(here)
    await here.restart(lose_state=True)
    await here.look()
    here.clock.skip(90 * DAY)
    await purge_expired(here.assembly)
    assert (len(entries(here)), told(here)) == (1, [])
    here.clock.skip(29 * DAY)
    await purge_expired(here.assembly)
    assert saved(here) == pictures(1)
    here.clock.skip(2 * DAY)
    await purge_expired(here.assembly)
    assert (saved(here), entries(here), told(here)) == ([], [], [])
    assert here.contents() == pictures(0, 2)


async def test_of_a_removal_that_was_called_off_nothing_comes_back_beside_its_item(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await call_off(here, monkeypatch)
    mended(here)
    [entry] = entries(here)
    [refused] = await restore(here.assembly, [entry])
    assert (refused.done, "nothing has to come back" in refused.words) == (False, True)
    assert here.contents() == pictures(0, 1, 2)
    here.clock.skip(31 * DAY)
    await purge_expired(here.assembly)
    assert (here.contents(), saved(here)) == (pictures(0, 1, 2), [])
    assert idle(await here.look())


async def test_what_is_no_mirrors_is_left_to_a_person(here: World) -> None:
    await delete(here)
    here.settings["mirrors"][0]["id"] = "another"
    await here.restart(lose_state=True)
    [words] = told(here)
    assert f"look at them in {here.kept}" in words
    assert mended(here) == []
    await purge_expired(here.assembly)
    assert saved(here) == pictures(1)
    here.kept.rename(here.kept.with_name("a%20former%20one"))
    [words] = [one.finding.subject for one in kept_symptoms(here.assembly.settings, here.state)]
    assert words == "server a former one: saved"


async def test_of_a_removal_that_was_refused_again_and_again_one_picture_comes_back(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here.folder / "1.png").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(here.server, "delete", refused)
        for _ in range(3):
            await here.look()
    assert saved(here) == pictures(1) * 3
    for _ in range(3):
        await here.look()
    assert here.contents() == pictures(0, 2)
    [text] = told(here)
    assert "3 pictures" in text
    assert "once more than needed" in text

    mended(here)

    assert (saved(here), told(here)) == (pictures(1), [])
    for entry in entries(here):
        [answer] = await restore(here.assembly, [entry])
        assert answer.done, answer.words
    assert here.contents() == pictures(0, 1, 2)


async def test_of_copies_that_nothing_tells_of_one_is_entered(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here.folder / "1.png").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(here.server, "delete", refused)
        for _ in range(3):
            await here.look()
    here.write("1.png", seed=1)
    while not idle(await here.look()):
        pass

    mended(here)

    assert len(entries(here)) == 1
    assert (saved(here), told(here)) == (pictures(1), [])
    [answer] = await restore(here.assembly, entries(here))
    assert not answer.done
    assert here.contents() == pictures(0, 1, 2)


async def test_where_each_file_has_its_item_another_ones_does_not_stand_in_the_way(
    here: World,
) -> None:
    here.settings["mirrors"][0]["policies"] = POLICIES | {"same_picture": "each"}
    await here.restart()
    here.write("twin.png", seed=1)
    await here.look()
    assert here.contents() == pictures(0, 1, 1, 2)
    await delete(here)
    await here.restart(lose_state=True)
    await here.look()
    mended(here)

    [answer] = await restore(here.assembly, entries(here))

    assert answer.done, answer.words
    assert here.contents() == pictures(0, 1, 1, 2)


async def test_a_restore_that_is_refused_changes_nothing(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if here.server.capabilities.names_kept:
        pytest.skip("what is replaced goes in one step")
    here.write("1.png", seed=9)
    with monkeypatch.context() as patched:
        patched.setattr(here.server, "delete", refused)
        for _ in range(3):
            await here.look()
        before = states(here)
        mended(here)
        answers = [await restore(here.assembly, [entry]) for entry in entries(here)]
        assert [one.done for [one] in answers] == [False] * len(answers)
        assert states(here) == before


async def refused(*_: object) -> None:
    raise ServerRefused("not allowed")


def states(here: World) -> list[tuple[str, str]]:
    with here.state.read() as connection:
        return [(one.item_id, one.state) for one in links.of_path(connection, 1, b"1.png")]
