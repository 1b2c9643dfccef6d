"""Defects that were found once. Each must stay impossible."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boardsync.engine import decide, parcel, record, report
from boardsync.engine.again import again
from boardsync.engine.passes import Look
from boardsync.engine.planning import plan_mirrors
from boardsync.engine.why import why
from boardsync.errors import FileChanging, ServerRefused
from boardsync.model import ActionKind, Direction
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.memory.server import MemoryServer
from boardsync.state import places, transfers
from engine.world import SkippingClock, World, picture, world


@pytest.fixture
async def here(tmp_path: Path):
    async with world(tmp_path) as made:
        yield made


def told(here: World) -> dict:
    return report.status(here.assembly.settings, here.state)["mirrors"][0]


@pytest.mark.parametrize("direction", Direction)
async def test_a_mirror_of_any_direction_starts_a_second_time(
    tmp_path: Path, direction: Direction
) -> None:
    async with world(tmp_path, direction=direction.value) as here:
        here.server.add_board("board")
        here.write("a.png")
        await here.look()
        await here.restart()

        assert (await here.look()).good


async def test_a_listing_that_looks_as_before_our_upload_is_not_taken_for_unchanged(
    here: World,
) -> None:
    here.server.add_board("board")
    await here.look()
    here.write("a.png", seed=1)
    await here.look()
    here.server.remove(here.items()[0].item_id)

    result = await here.look()

    assert here.items() == []
    assert result.synced == 0


async def test_uploads_whose_answers_are_always_lost_are_sent_ever_less_often(
    here: World,
) -> None:
    here.server.faults.lost_uploads = 10_000
    here.write("a.png")
    began = here.clock.ahead
    while here.clock.ahead - began < 1200:
        await here.look(patience=30.0)

    assert 2 <= here.server.calls["upload"] <= 20
    here.server.faults.lost_uploads = 0
    for _ in range(10):
        result = await here.look(patience=900.0)
    assert (result.synced, len(here.items())) == (1, 1)


async def test_a_deleted_board_is_not_bombarded_with_what_waits_for_it(tmp_path: Path) -> None:
    async with world(tmp_path, direction="push") as here:
        here.write("first.png", seed=99)
        await here.look()
        for seed in range(30):
            here.write(f"p{seed}.png", seed=seed)
        real = here.server.upload

        async def deleted_meanwhile(board_id: str | None, uploads: object) -> object:
            if board_id in here.server._boards:
                here.server.drop_board(board_id)
            return await real(board_id, uploads)  # type: ignore[arg-type]

        here.server.upload = deleted_meanwhile  # type: ignore[method-assign, assignment]
        for _ in range(5):
            result = await here.look(patience=60.0)

        assert here.server.calls["upload"] <= 1 + 8
        assert "was deleted" in (result.trouble or "")


async def test_one_board_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder") as here:
        for name in ("a", "bad", "z"):
            here.write(f"{name}/p.png", seed=ord(name[0]))
        real = here.server.create_board

        async def picky(name: str) -> object:
            if name == "bad":
                raise ServerRefused("no such names here")
            return await real(name)

        here.server.create_board = picky  # type: ignore[method-assign, assignment]
        result = await here.look()

        assert (len(here.items("a")), len(here.items("z"))) == (1, 1)
        assert "no such names" in (result.trouble or "")


async def test_a_trouble_lasts_until_its_cause_was_looked_at_again(here: World) -> None:
    here.write("a.png")
    await here.look()
    away = here.folder.rename(here.base / "away")
    await here.look()
    worker = here.assembly.workers["m"]

    for look in (Look(cause="settled"), Look(cause="poll", boards=True)):
        await worker.pass_now(look)
        assert "missing" in (told(here)["trouble"] or "")

    away.rename(here.folder)
    await worker.pass_now(Look.everywhere("test"))
    assert told(here)["trouble"] is None


async def test_a_file_that_cannot_be_read_for_a_moment_is_not_forgotten(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.write("a.png")

    def failing(*_: object) -> None:
        raise FileChanging("input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(parcel, "read_snapshot", failing)
        await here.look()
    assert told(here)["files"] == 1

    assert (await here.look()).uploaded == 1


async def test_an_unforeseen_error_is_told_and_not_tried_in_a_loop(here: World) -> None:
    calls = 0

    async def broken(*_: object) -> list:
        nonlocal calls
        calls += 1
        raise ZeroDivisionError("a bug of a library")

    real = here.server.upload
    here.server.upload = broken  # type: ignore[method-assign]
    here.write("a.png")
    began = here.clock.ahead
    while here.clock.ahead - began < 600:
        await here.look(patience=10.0)
    assert calls <= 15
    assert "a bug of a library" in told(here)["errors"][0]["error"]

    here.server.upload = real  # type: ignore[method-assign]
    for _ in range(12):
        result = await here.look(patience=900.0)
    assert (result.synced, len(here.items())) == (1, 1)


async def test_a_file_that_is_ignored_before_it_is_sent_is_not_sent(here: World) -> None:
    here.server.add_board("board")
    await here.look()
    here.write("private.png")
    here.clock.skip(120.0)
    done = await here.assembly.workers["m"].pass_now(Look.everywhere("test"))
    assert len(done.plan.actions) == 1
    (here.folder / ".boardsyncignore").write_text("private*\n")

    await here.look()

    assert here.items() == []


async def test_a_refusal_that_comes_late_does_not_stick_to_newer_content(here: World) -> None:
    here.write("a.png", picture(1)[:-20])
    here.clock.skip(120.0)
    worker = here.assembly.workers["m"]
    await worker.pass_now(Look.everywhere("test"))
    here.write("a.png", seed=2)
    await worker.pass_now(Look(cause="event", paths={b"a.png"}))

    result = await here.look()
    result = await here.look()

    assert (result.synced, told(here)["refused"]) == (1, 0)


async def test_a_rewritten_ghost_gets_its_own_time_to_become_whole(here: World) -> None:
    here.server.faults.ghosts = 2
    here.write("a.png")
    for _ in range(4):
        result = await here.look(patience=300.0)

    assert (result.synced, len(here.items())) == (1, 1)


async def test_a_picture_whose_item_was_deleted_is_told_and_sent_anew_when_asked(
    here: World,
) -> None:
    here.write("a.png")
    here.write("b.png", seed=2)
    await here.look()
    here.server.remove(here.items()[0].item_id)

    await here.look()
    assert (told(here)["condition"], told(here)["parted"]) == ("synced", 1)
    assert (await here.look()).uploaded == 0

    gone = {link for link in ("a.png", "b.png") if "item-gone" in verdict(here, link)}
    assert len(gone) == 1
    assert await again(here.assembly.mirrors[0], gone.pop())
    result = await here.look()
    assert (result.uploaded, told(here)["condition"]) == (1, "synced")


def verdict(here: World, subject: str) -> str:
    return why(here.assembly.settings, here.state, subject)[0]["verdict"]


async def test_a_deleted_pulled_file_is_fetched_anew_when_asked(here: World) -> None:
    board = here.server.add_board("board")
    item = here.server.put(board.board_id, "x.png", picture(3), size=(24, 16))
    await here.look()
    (here.folder / "outputs" / f"{item.item_id}.png").unlink()
    assert (await here.look()).downloaded == 0

    assert await again(here.assembly.mirrors[0], item.item_id)
    assert (await here.look()).downloaded == 1


async def test_a_plan_tells_what_waits_as_well(here: World) -> None:
    here.write("a.png")
    here.server.add_board("board")
    here.clock.skip(120.0)
    await here.assembly.workers["m"].pass_now(Look.everywhere("test"))

    planned = await plan_mirrors(here.assembly, [])

    assert [action["path"] for action in planned["actions"]] == ["a.png"]


async def test_two_subfolders_never_share_a_board(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", default_board="cats") as here:
        here.write("root.png", seed=1)
        here.write("cats/a.png", seed=2)
        here.write("dogs/b.png", seed=3)

        result = await here.look()

        assert "already" in (result.trouble or "")
        assert len(here.items("dogs")) == 1
        assert len(here.items("cats")) == 1


@pytest.mark.parametrize(
    ("name", "mtime"), [(b"latin\xe9.png", None), (b"future.png", 10_413_792_000), (b"old.png", 0)]
)
async def test_odd_names_and_odd_times_travel_both_ways_on_a_directory(
    tmp_path: Path, name: bytes, mtime: int | None
) -> None:
    shelf = tmp_path / "shelf"
    (shelf / "board").mkdir(parents=True)
    server = DirectoryServer("server", shelf)
    async with world(tmp_path, server) as here:  # type: ignore[arg-type]
        here.write("plain.png", seed=1)
        mine = os.path.join(os.fsencode(here.folder), name)
        theirs = os.path.join(os.fsencode(shelf / "board"), b"their " + name)
        for path, seed in ((mine, 2), (theirs, 3)):
            with open(path, "wb") as stream:
                stream.write(picture(seed))
            if mtime is not None:
                os.utime(path, (mtime, mtime))

        result = await here.look()
        again_result = await here.look()

        assert (result.uploaded, result.downloaded, result.synced) == (2, 1, 3)
        assert (again_result.uploaded, again_result.downloaded) == (0, 0)
        assert told(here)["condition"] == "synced"


async def test_a_pass_that_fails_in_an_unforeseen_way_is_seen_in_the_status(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.write("a.png")
    await here.look()
    worker = here.assembly.workers["m"]

    async def broken(_: object) -> None:
        raise ZeroDivisionError("a bug of a library")

    with monkeypatch.context() as patch:
        patch.setattr(worker.reconciler, "look", broken)
        await worker._guarded(Look.everywhere("test"))
    assert "a bug of a library" in told(here)["trouble"]

    await worker.pass_now(Look.everywhere("test"))
    assert told(here)["trouble"] is None


async def test_why_names_the_rule_that_leaves_a_file_alone(here: World) -> None:
    here.write("private.png")
    (here.folder / ".boardsyncignore").write_text("private*\n")
    await here.look()

    assert "private*" in verdict(here, "private.png")


async def test_other_limits_lift_what_was_refused_under_the_old_ones(tmp_path: Path) -> None:
    async with world(tmp_path, max_bytes=100) as here:
        here.write("a.png")
        await here.look()
        assert told(here)["refused"] == 1
        await here.close()
        here.settings["mirrors"][0]["max_bytes"] = 1_000_000
        await here.open()

        result = await here.look()

        assert (result.uploaded, told(here)["refused"]) == (1, 0)


async def test_another_layout_sends_pictures_to_their_new_boards_and_removes_none(
    tmp_path: Path,
) -> None:
    """Boards of the former layout keep what they hold; what lies on them settles nothing."""
    clock = SkippingClock()
    server = MemoryServer("server", clock_ms=lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock, board="all") as here:
        here.write("a.png", seed=1)
        here.write("hands/b.png", seed=2)
        await here.look()
    by_subfolder = {"boards": "by-subfolder", "default_board": "all"}
    async with world(tmp_path, server, clock, **by_subfolder) as here:
        result = await here.look()
        assert (result.uploaded, result.synced) == (1, 2)
        assert (len(here.items("all")), len(here.items("hands"))) == (2, 1)
    async with world(tmp_path, server, clock, board="all") as here:
        result = await here.look()
        assert (result.uploaded, result.synced) == (0, 2)
        assert await here.quiet()
        assert (len(here.items("all")), len(here.items("hands"))) == (2, 1)


async def test_a_plan_that_is_overtaken_by_its_own_uploads_sends_nothing_twice(
    here: World,
) -> None:
    """A decision reads one moment and is recorded in a later one; uploads end in between."""
    here.write("a.png")
    (mirror,) = here.assembly.mirrors
    here.clock.skip(120.0)
    await here.assembly.workers["m"].pass_now(Look.everywhere("test"))
    with here.state.read() as connection:
        (board,) = places.boards(connection, mirror.number)
    await here.state.write(lambda c: transfers.forget_unfinished(c, mirror.number))
    late = decide.decide(mirror, {b"": board}, {}, None, {b""})
    assert [action.kind for _, action in late.actions] == [ActionKind.UPLOAD]
    assert (await here.look()).uploaded == 1

    await record.record(mirror, late, "late", None)

    assert (await here.look()).uploaded == 0
    assert len(here.items()) == 1
    assert await here.quiet()


class HastyClock(SkippingClock):
    """Whenever anybody asks, much time has passed."""

    def monotonic(self) -> float:
        self.skip(30.0)
        return super().monotonic()


async def test_a_plan_names_each_picture_once_however_long_hashing_takes(tmp_path: Path) -> None:
    async with world(tmp_path, clock=HastyClock()) as here:
        here.write("a.png")
        here.write("b.png", seed=2)

        planned = await plan_mirrors(here.assembly, [])

        told = [(action["action"], action["path"]) for action in planned["actions"]]
        assert told == [("make-board", None), ("upload", "a.png"), ("upload", "b.png")]
