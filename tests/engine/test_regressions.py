"""Defects that were found once. Each must stay impossible."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.engine import push, report
from boardsync.engine.reconcile import Look
from boardsync.errors import FileChanging, ServerRefused
from boardsync.model import Direction
from engine.world import World, picture, world


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
        patch.setattr(push, "read_snapshot", failing)
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
