"""Deletions: what is passed on, what waits for consent, and what never happens."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine.consent import answer, list_holds
from boardsync.engine.report import status
from boardsync.plan.links import Consent
from engine.world import World, picture, world

TRASH = {"file_deleted": "trash", "item_deleted": "trash"}


@pytest.fixture
async def passing(tmp_path: Path) -> AsyncIterator[World]:
    """A mirror that passes deletions on, with twenty pictures in step."""
    async with world(tmp_path, policies=TRASH) as made:
        for seed in range(20):
            made.write(f"{seed:02}.png", seed=seed)
        await made.look()
        yield made


def held(here: World) -> int:
    return int(status(here.assembly.settings, here.state)["mirrors"][0]["held"])


def trash_of(here: World) -> list[bytes]:
    """Return what lies in the local trash."""
    root = here.base / ".boardsync-trash"
    return sorted(path.read_bytes() for path in root.rglob("*") if path.is_file())


async def test_by_default_a_deleted_file_leaves_its_item_and_is_not_pulled_back(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png")
        here.write("b.png", seed=2)
        await here.look()
        (here.folder / "a.png").unlink()

        result = await here.look()

        assert (result.trashed, result.downloaded, len(here.items())) == (0, 0, 2)
        assert await here.quiet()
        assert set(here.local()) == {"b.png"}


async def test_by_default_a_file_stays_when_its_item_is_deleted_and_is_not_sent_again(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png")
        await here.look()
        here.server.remove(here.items()[0].item_id)

        result = await here.look()

        assert (result.uploaded, set(here.local())) == (0, {"a.png"})
        assert (await here.look()).uploaded == 0
        assert here.items() == []


async def test_a_file_that_comes_back_is_linked_again_without_sending_it(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        path = here.write("a.png")
        await here.look()
        path.unlink()
        await here.look()
        here.write("a.png")

        result = await here.look()

        assert (result.uploaded, result.synced, len(here.items())) == (0, 1, 1)


async def test_a_deleted_file_takes_its_item_to_the_trash_when_the_settings_say_so(
    passing: World,
) -> None:
    (passing.folder / "03.png").unlink()

    result = await passing.look()

    assert (result.trashed, result.held, len(passing.items())) == (1, 0, 19)
    assert await passing.quiet()


async def test_a_deleted_item_takes_its_file_to_the_trash_when_the_settings_say_so(
    passing: World,
) -> None:
    gone = passing.items()[0]
    content = passing.server._stored[gone.item_id].content
    passing.server.remove(gone.item_id)

    result = await passing.look()

    assert (result.trashed, result.held, len(passing.local())) == (1, 0, 19)
    assert trash_of(passing) == [content]
    assert await passing.quiet()


async def test_a_deleted_file_that_is_back_before_it_is_acted_on_loses_nothing(
    passing: World,
) -> None:
    content = (passing.folder / "03.png").read_bytes()
    (passing.folder / "03.png").unlink()
    await passing.look(patience=0.0)
    (passing.folder / "03.png").write_bytes(content)

    result = await passing.look()

    assert (result.trashed, len(passing.items()), result.synced) == (0, 20, 20)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
async def test_files_that_vanish_in_masses_are_held_and_resume_by_themselves(
    passing: World, share: float
) -> None:
    gone = sorted(passing.local())[: max(10, int(20 * share))]
    kept = {name: (passing.folder / name).read_bytes() for name in gone}
    for name in gone:
        (passing.folder / name).unlink()

    result = await passing.look()
    assert (result.trashed, result.held, len(passing.items())) == (0, len(gone), 20)
    await passing.restart()
    assert (await passing.look()).held == len(gone)
    assert status(passing.assembly.settings, passing.state)["mirrors"][0]["condition"] == "held"

    for name, content in kept.items():
        passing.write(name, content)
    result = await passing.look()
    assert (result.held, result.uploaded, result.synced, len(passing.items())) == (0, 0, 20, 20)


async def test_items_that_vanish_in_masses_are_held(passing: World) -> None:
    for item in passing.items()[:15]:
        passing.server.remove(item.item_id)

    result = await passing.look()

    assert (result.trashed, result.held, len(passing.local())) == (0, 15, 20)


async def hold_of(here: World) -> int:
    (hold,) = list_holds(here.assembly.settings, here.state)
    return int(hold["hold"])


async def test_what_is_approved_is_removed_and_nothing_else(passing: World) -> None:
    for number in range(12):
        (passing.folder / f"{number:02}.png").unlink()
    await passing.look()
    shown = await hold_of(passing)
    (passing.folder / "12.png").unlink()
    await passing.look()
    with pytest.raises(Exception, match="another number"):
        await answer(passing.assembly.mirrors, shown, Consent.APPROVED)

    await answer(passing.assembly.mirrors, await hold_of(passing), Consent.APPROVED)
    result = await passing.look()

    assert (result.trashed, result.held, len(passing.items())) == (13, 0, 7)
    assert await passing.quiet()


async def test_what_is_restored_comes_back_from_the_board(passing: World) -> None:
    before = passing.local()
    for number in range(12):
        (passing.folder / f"{number:02}.png").unlink()
    await passing.look()

    await answer(passing.assembly.mirrors, await hold_of(passing), Consent.RESTORE)
    result = await passing.look()

    assert (result.downloaded, result.held, len(passing.items())) == (12, 0, 20)
    assert passing.local() == before
    assert await passing.quiet()


async def test_what_is_restored_goes_up_again_when_the_items_were_deleted(passing: World) -> None:
    for item in passing.items()[:12]:
        passing.server.remove(item.item_id)
    await passing.look()

    await answer(passing.assembly.mirrors, await hold_of(passing), Consent.RESTORE)
    result = await passing.look()

    assert (result.uploaded, result.held, len(passing.items())) == (12, 0, 20)
    assert await passing.quiet()


async def test_what_is_dismissed_is_left_as_it_is(passing: World) -> None:
    for number in range(12):
        (passing.folder / f"{number:02}.png").unlink()
    await passing.look()

    await answer(passing.assembly.mirrors, await hold_of(passing), Consent.DISMISSED)
    result = await passing.look()

    assert (result.trashed, result.downloaded, result.held) == (0, 0, 0)
    assert (len(passing.items()), len(passing.local())) == (20, 8)
    assert await passing.quiet()


async def test_deletions_one_by_one_are_a_mass_in_the_end(passing: World) -> None:
    for number in range(12):
        (passing.folder / f"{number:02}.png").unlink()
        result = await passing.look()

    assert len(passing.items()) == 11
    assert result.held == 3


async def test_what_a_rule_no_longer_covers_is_left_alone(passing: World) -> None:
    (passing.folder / ".boardsyncignore").write_text("0*.png\n")

    result = await passing.look()

    assert (result.trashed, result.held, len(passing.items()), len(passing.local())) == (
        0, 0, 20, 21,
    )  # fmt: skip
    (passing.folder / ".boardsyncignore").unlink()
    assert (await passing.look()).synced == 20


async def test_a_replaced_folder_is_no_deletion(passing: World) -> None:
    shutil.move(passing.folder, passing.base / "elsewhere")
    passing.folder.mkdir()
    shutil.copy2(passing.base / "elsewhere" / "00.png", passing.folder)

    result = await passing.look()

    assert (result.trashed, result.held, len(passing.items())) == (0, 0, 20)


async def test_an_unreadable_subfolder_is_no_deletion(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    async with world(tmp_path, policies=TRASH) as here:
        here.write("s/a.png")
        await here.look()
        (here.folder / "s").chmod(0)
        result = await here.look()
        (here.folder / "s").chmod(0o700)
        assert (result.trashed, len(here.items())) == (0, 1)


async def test_a_picture_at_two_paths_is_removed_with_the_last(tmp_path: Path) -> None:
    async with world(tmp_path, policies=TRASH, guard={"whole": False}) as here:
        here.write("a.png", seed=1)
        here.write("b.png", seed=1)
        here.write("c.png", seed=3)
        await here.look()
        assert len(here.items()) == 2

        (here.folder / "a.png").unlink()
        assert (await here.look()).trashed == 0
        (here.folder / "b.png").unlink()
        assert (await here.look()).trashed == 1
        assert here.contents() == [picture(3)]


async def test_one_pass_is_enough_for_a_deletion_whatever_the_waits(tmp_path: Path) -> None:
    waits = {"removal": "1 s", "confirm": "1 s"}
    async with world(tmp_path, policies=TRASH, settle=waits) as here:
        for seed in range(20):
            here.write(f"{seed:02}.png", seed=seed)
        await here.look()
        here.server.remove(here.items()[0].item_id)

        assert (await here.look()).trashed == 1
