"""Downloads: every output lands once, whole, and never over a file that is there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from boardsync.engine.passes import Look
from boardsync.engine.pull import Puller
from boardsync.engine.sweep import temporary_name
from boardsync.files.disk import SystemDisk
from boardsync.model import Category, Item
from boardsync.state import transfers
from engine.world import World, picture, world


@pytest.fixture
async def here(tmp_path: Path):
    async with world(tmp_path) as made:
        made.server.add_board("board")
        yield made


def put(here: World, seed: int = 1, **traits: object):
    return here.server.put(here.board().board_id, "x.png", picture(seed), size=(24, 16), **traits)  # type: ignore[arg-type]


async def test_new_outputs_land_once_and_are_not_pushed_back(here: World) -> None:
    items = [put(here, seed) for seed in range(12)]

    result = await here.look()

    assert (result.downloaded, result.uploaded, result.synced) == (12, 0, 12)
    assert here.local() == {
        f"outputs/{item.item_id}.png": picture(seed) for seed, item in enumerate(items)
    }
    assert await here.quiet()
    assert len(here.items()) == 12


async def test_a_pulled_file_keeps_the_servers_creation_time(here: World) -> None:
    item = put(here)
    await here.look()

    stat = (here.folder / "outputs" / f"{item.item_id}.png").stat()
    assert stat.st_mtime_ns // 1_000_000 == item.created_ms


async def test_a_lost_state_pulls_nothing_twice(here: World) -> None:
    put(here, 1)
    put(here, 2)
    await here.look()
    before = here.local()

    await here.restart(lose_state=True)
    result = await here.look()

    assert here.local() == before
    assert (result.uploaded, result.synced) == (0, 2)
    assert len(here.items()) == 2


async def test_an_existing_file_is_never_replaced(here: World) -> None:
    item = put(here, 1)
    here.write(f"outputs/{item.item_id}.png", b"mine, and not to be touched")

    await here.look()

    assert here.local() == {
        f"outputs/{item.item_id}.png": b"mine, and not to be touched",
        f"outputs/{item.item_id} (2).png": picture(1),
    }


async def test_an_output_that_is_still_being_written_waits_until_it_is_whole(here: World) -> None:
    item = put(here, 1, whole=False)

    first = await here.look(patience=5.0)
    assert (first.downloaded, first.left) == (0, 1)
    assert here.local() == {}

    here.server.finish(item.item_id)
    assert (await here.look()).downloaded == 1


async def test_an_output_that_never_becomes_whole_is_given_up_and_not_asked_for_again(
    here: World,
) -> None:
    put(here, 1, whole=False)
    for _ in range(12):
        await here.look(patience=60.0)

    here.server.calls.clear()
    result = await here.look()

    assert result.left == 0
    assert here.server.calls["download"] == 0
    assert here.local() == {}


@pytest.mark.parametrize(
    ("traits", "settings", "pulled"),
    [
        ({}, {}, True),
        ({"category": Category.USER}, {}, False),
        ({"category": Category.USER}, {"categories": ["general", "user"]}, True),
        ({"metadata": "a red fox"}, {"search": "fox"}, True),
        ({"metadata": "a red fox"}, {"search": "bear"}, False),
        ({}, {"starred_only": True}, False),
        ({}, {"since": "2100-01-01"}, False),
    ],
)
async def test_the_settings_choose_what_is_pulled(
    tmp_path: Path, traits: dict, settings: dict, pulled: bool
) -> None:
    async with world(tmp_path, pull=settings) as here:
        here.server.add_board("board")
        put(here, 1, **traits)

        result = await here.look()

        assert (result.downloaded == 1) is pulled


async def test_a_star_that_is_set_later_brings_the_picture_down(tmp_path: Path) -> None:
    async with world(tmp_path, pull={"starred_only": True}) as here:
        here.server.add_board("board")
        item = put(here, 1)
        other = put(here, 2)
        assert (await here.look()).downloaded == 0

        here.server.star(item.item_id)
        assert (await here.look()).downloaded == 1
        here.server.star(item.item_id, starred=False)
        here.server.star(other.item_id)
        assert (await here.look()).downloaded == 1
        assert (await here.look()).downloaded == 0


async def test_a_pulled_file_that_is_moved_into_the_pushed_area_is_not_sent(here: World) -> None:
    item = put(here)
    await here.look()
    (here.folder / "outputs" / f"{item.item_id}.png").rename(here.folder / "chosen.png")

    result = await here.look()

    assert (result.uploaded, result.downloaded, result.moved) == (0, 0, 1)
    assert len(here.items()) == 1


async def test_a_deleted_pulled_file_is_not_pulled_again(here: World) -> None:
    item = put(here)
    await here.look()
    (here.folder / "outputs" / f"{item.item_id}.png").unlink()

    assert (await here.look()).downloaded == 0
    assert here.local() == {}


async def test_an_edited_pulled_file_is_not_pushed(here: World) -> None:
    item = put(here)
    await here.look()
    here.write(f"outputs/{item.item_id}.png", seed=9)

    result = await here.look()

    assert (result.uploaded, result.downloaded) == (0, 0)


async def test_a_kill_between_the_rename_and_the_commit_leaves_one_file(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(here)

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Puller, "_agree", killed)
        with pytest.raises(KeyboardInterrupt):
            await _carry_one(here)
    before = here.local()
    await here.restart()
    result = await here.look()

    assert here.local() == before
    assert result.synced == 1


async def test_a_kill_before_the_rename_leaves_no_litter(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(here)

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Puller, "_place", killed)
        with pytest.raises(KeyboardInterrupt):
            await _carry_one(here)
    assert any(".boardsync-tmp-" in name for name in here.local())

    await here.restart()
    await here.look()

    assert [name for name in here.local() if ".boardsync-tmp-" in name] == []
    assert len(here.local()) == 1


async def test_what_was_moved_before_it_was_fetched_is_fetched_where_it_is_now(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        for name in ("one", "two"):
            (here.folder / name).mkdir()
            here.server.add_board(name)
        item = here.server.put(here.board("one").board_id, "x.png", picture(1), size=(24, 16))
        worker = here.assembly.workers["m"]
        await worker.pass_now(Look.everywhere("test"))
        here.server.relocate(item, here.board("two").board_id)
        await worker.pass_now(Look.everywhere("test"))

        for _ in range(3):
            await here.look(patience=90.0)

        assert list(here.local()) == [f"two/outputs/{item.item_id}.png"]


async def test_litter_is_found_where_people_took_its_directory_meanwhile(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(here)

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Puller, "_place", killed)
        with pytest.raises(KeyboardInterrupt):
            await _carry_one(here)
    (here.folder / "outputs").rename(here.folder / "keep")
    strange = here.write("keep/.boardsync-tmp-of-another-mirror", b"half")

    await here.restart()
    await here.look()

    assert list(here.folder.rglob(".boardsync-tmp-*")) == [strange]
    assert len(here.local()) == 2


async def test_litter_where_a_rule_hides_it_is_found_although_the_state_was_lost(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        name = os.fsdecode(temporary_name(here.assembly.mirrors[0], Item("i", "b")))
        litter = here.write(f"two/outputs/{name}", b"half")
        strange = here.write("two/outputs/.boardsync-tmp-of-another-mirror", b"half")
        (here.folder / ".boardsyncignore").write_text("two/\n")

        await here.look()

        assert (litter.exists(), strange.exists()) == (False, True)


async def test_what_is_being_fetched_is_no_litter_to_a_walk(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(here)
    fetch, seen = here.server.download, []

    async def walked_meanwhile(item: Item, sink: object) -> object:
        got = await fetch(item, sink)  # type: ignore[arg-type]
        await here.assembly.workers["m"].reconciler.look(Look.everywhere("test"))
        seen.extend(here.folder.rglob(".boardsync-tmp-*"))
        return got

    monkeypatch.setattr(here.server, "download", walked_meanwhile)

    assert (await here.look()).downloaded == 1
    assert len(seen) == 1


async def _carry_one(here: World) -> None:
    """Plan, then carry out the first transfer in this very task."""
    worker = here.assembly.workers["m"]
    await worker.pass_now(Look.everywhere("test"))
    with here.state.read() as connection:
        waiting = transfers.waiting(connection, [worker.mirror.number])
    await Puller(worker.mirror).carry(waiting[0])


async def test_litter_of_a_pull_that_nobody_goes_on_with_is_swept(here: World) -> None:
    put(here)
    await here.look()
    name = os.fsdecode(temporary_name(here.assembly.mirrors[0], Item("i", "b")))
    litter = here.folder / "outputs" / name
    litter.write_bytes(b"half")
    os.utime(litter, (1, 1))

    await here.look()

    assert not litter.exists()


async def test_a_full_disk_waits_and_goes_on_by_itself(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(here)
    real = here.server.download

    async def full(item: object, sink: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(here.server, "download", full)
    first = await here.look(patience=2.0)
    assert first.left == 1
    assert "full" in first.errors[0]
    assert here.local() == {}

    monkeypatch.setattr(here.server, "download", real)
    assert (await here.look()).downloaded == 1


def is_picture(name: str) -> bool:
    return name.endswith(".png")


class Failing(SystemDisk):
    """naming: whether a picture's name can be made durable; reading: whether one can be read."""

    naming = True
    reading = True

    def fsync(self, fd: int) -> None:
        directory = stat.S_ISDIR(os.fstat(fd).st_mode)
        if not self.naming and directory and any(map(is_picture, os.listdir(fd))):
            raise OSError(errno.EIO, "Input/output error")
        super().fsync(fd)

    def readv(self, fd: int, buffers: Sequence[memoryview]) -> int:
        if not self.reading:
            raise OSError(errno.EIO, "Input/output error")
        return super().readv(fd, buffers)


async def test_a_file_that_was_placed_on_a_failing_disk_is_not_placed_again_beside_itself(
    here: World,
) -> None:
    here.disk = disk = Failing()
    await here.restart()
    await here.look()
    item = put(here)
    disk.naming = False
    await here.look(patience=0.0)
    disk.naming, disk.reading = True, False
    await here.look(patience=60.0)
    disk.reading = True

    await here.look(patience=600.0)

    assert here.local() == {f"outputs/{item.item_id}.png": picture(1)}
