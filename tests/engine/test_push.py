"""Uploads: every picture arrives once, whatever happens to the answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boardsync.errors import ServerBusy
from boardsync.formats import PNG
from engine.world import SkippingClock, World, picture, world
from picture_samples import sample


@pytest.fixture
async def here(tmp_path: Path):
    async with world(tmp_path) as made:
        yield made


async def test_new_pictures_are_uploaded_and_a_second_pass_only_lists(here: World) -> None:
    for seed in range(20):
        here.write(f"sub{seed % 3}/p{seed}.png", seed=seed)

    result = await here.look()

    assert (result.uploaded, result.synced, result.good) == (20, 20, True)
    assert here.contents() == sorted(picture(seed) for seed in range(20))
    assert await here.quiet()


async def test_one_picture_at_two_paths_is_one_item_with_two_links(here: World) -> None:
    here.write("a.png", seed=1)
    here.write("copy/of/a.png", seed=1)

    result = await here.look()

    assert len(here.items()) == 1
    assert (result.uploaded, result.synced) == (1, 2)


async def test_a_renamed_file_sends_nothing(here: World) -> None:
    path = here.write("a.png")
    await here.look()
    path.rename(here.folder / "b.png")

    result = await here.look()

    assert (result.uploaded, result.moved, result.synced) == (0, 1, 1)
    assert len(here.items()) == 1


async def test_changed_content_takes_the_place_of_the_old_item(here: World) -> None:
    here.write("a.png", seed=1)
    await here.look()
    here.write("a.png", seed=2)

    result = await here.look()

    assert result.uploaded == 1
    assert here.contents() == [picture(2)]
    assert await here.quiet()


async def test_content_that_comes_back_brings_its_old_item_out_of_the_trash(here: World) -> None:
    here.write("a.png", seed=1)
    await here.look()
    first = here.items()[0].item_id
    for seed in (2, 1):
        here.write("a.png", seed=seed)
        result = await here.look()

    assert (result.uploaded, result.linked, result.synced) == (0, 1, 1)
    assert [item.item_id for item in here.items()] == [first]
    assert await here.quiet()


async def test_every_version_stays_when_the_settings_say_so(tmp_path: Path) -> None:
    async with world(tmp_path, policies={"content_changed": "keep"}) as here:
        for seed in (1, 2, 1):
            here.write("a.png", seed=seed)
            result = await here.look()

        assert (result.uploaded, result.linked, result.synced) == (0, 1, 1)
        assert len(here.items()) == 2
        assert await here.quiet()


async def test_an_answer_lost_after_the_commit_leads_to_one_item(here: World) -> None:
    here.server.faults.lost_answers = 1
    here.write("a.png")

    result = await here.look()

    assert (result.uploaded, result.synced) == (1, 1)
    assert len(here.items()) == 1
    assert here.server.calls["upload"] == 1


async def test_an_upload_that_was_lost_is_looked_up_twice_and_sent_again(here: World) -> None:
    here.server.add_board("board")
    here.server.faults.lost_uploads = 1
    here.write("a.png")

    result = await here.look()

    assert (result.uploaded, result.synced) == (1, 1)
    assert here.server.calls["find"] == 2
    assert len(here.items()) == 1


async def test_the_ghost_of_a_failed_upload_is_removed_and_the_picture_sent_again(
    here: World,
) -> None:
    here.server.faults.ghosts = 1
    here.write("a.png")

    await here.look(patience=300.0)

    assert [here.server._stored[item.item_id].whole for item in here.items()] == [True]
    assert await here.quiet()


async def test_a_ghost_that_a_listing_showed_is_not_taken_for_the_picture(here: World) -> None:
    here.write("a.png", seed=1)
    here.server.faults.ghosts = 1
    await here.look(patience=0.0)
    for _ in range(3):
        result = await here.look(patience=300.0)

    assert [here.server._stored[item.item_id].whole for item in here.items()] == [True]
    assert (result.synced, result.left) == (1, 0)


async def test_a_busy_server_is_given_the_time_it_asks_for(here: World) -> None:
    here.write("a.png")
    await here.look()
    here.write("b.png", seed=2)
    here.server.faults.errors = [ServerBusy("maintenance", retry_after=3.0)]

    await here.look()
    await here.look()

    assert len(here.items()) == 2


async def test_a_lost_state_uploads_nothing(here: World) -> None:
    for seed in range(30):
        here.write(f"p{seed}.png", seed=seed)
    await here.look()
    here.server.calls.clear()

    await here.restart(lose_state=True)
    result = await here.look()

    assert (result.uploaded, result.synced) == (0, 30)
    assert here.server.calls["upload"] == 0


async def test_yesterdays_state_uploads_nothing_twice(here: World, tmp_path: Path) -> None:
    here.write("a.png", seed=1)
    await here.look()
    await here.close()
    kept = (tmp_path / "state.db").read_bytes()
    await here.open()
    here.write("b.png", seed=2)
    await here.look()

    await here.close()
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    (tmp_path / "state.db").write_bytes(kept)
    await here.open()
    result = await here.look()

    assert (result.uploaded, result.synced) == (0, 2)
    assert len(here.items()) == 2


async def test_an_intent_without_an_outcome_is_looked_up_after_a_restart(here: World) -> None:
    here.write("a.png")
    here.server.faults.lost_answers = 1
    here.clock.skip(120.0)
    await here.look(patience=0.0)
    await here.restart()

    result = await here.look()

    assert len(here.items()) == 1
    assert result.synced == 1


async def test_a_torn_picture_is_refused_once_with_the_reason_and_sent_when_mended(
    here: World,
) -> None:
    whole = picture(1)
    path = here.write("a.png", whole[:-20])

    first = await here.look()
    second = await here.look()

    assert (first.refused, first.good) == (second.refused, second.good) == (1, True)
    assert here.items() == []
    path.write_bytes(whole)
    assert (await here.look()).uploaded == 1


async def test_something_that_is_no_picture_is_refused_and_the_others_go(here: World) -> None:
    here.write("a.png", b"not a picture at all")
    here.write("b.png", b"")
    here.write("c.png", seed=3)

    result = await here.look()

    assert (result.uploaded, result.refused) == (1, 2)


async def test_hostile_names_travel(here: World) -> None:
    names = [
        b"new\nline.png",
        "emoji \U0001f5bc.png".encode(),
        b"latin\xe9.png",
        b"x" * 251 + b".png",
    ]
    for seed, name in enumerate(names):
        with open(os.path.join(os.fsencode(here.folder), name), "wb") as stream:
            stream.write(picture(seed))

    result = await here.look()

    assert (result.uploaded, result.synced) == (4, 4)


async def test_hidden_files_and_symlinks_are_left_alone(here: World) -> None:
    real = here.write("a.png", seed=1)
    here.write(".hidden.png", seed=2)
    here.write(".git/b.png", seed=3)
    (here.folder / "link.png").symlink_to(real)
    (here.folder / "loop").symlink_to(here.folder)

    assert (await here.look()).uploaded == 1


async def test_a_large_batch_is_cut_into_the_kinds_batches(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for seed in range(50):
            here.write(f"p{seed}.png", seed=seed)
        await here.look()

        assert len(here.items()) == 50
        assert here.server.calls["upload"] >= 50 / here.server.capabilities.batch


async def test_files_settle_before_they_are_read(tmp_path: Path) -> None:
    clock = SkippingClock()
    async with world(tmp_path, clock=clock) as here:
        here.write("a.png")
        worker = here.assembly.workers["m"]
        from boardsync.engine.passes import Look

        done = await worker.pass_now(Look.everywhere("test"))
        assert (done.plan.actions, done.hashed.waiting) == ([], 1)

        clock.skip(3.0)
        done = await worker.pass_now(Look(cause="settled"))
        assert len(done.plan.actions) == 1


async def test_a_closed_whole_file_does_not_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.write("a.png")
        here.write("b.png", picture(2)[:-30])
        from boardsync.engine.passes import Look

        done = await here.assembly.workers["m"].pass_now(
            Look(
                cause="event", boards=True, paths={b"a.png", b"b.png"}, closed={b"a.png", b"b.png"}
            )
        )

        assert [action.path for _, action in done.plan.actions] == [b"a.png"]


async def test_orientation_is_repaired_for_servers_that_need_it(tmp_path: Path) -> None:
    from dataclasses import replace

    from boardsync.formats import JPEG
    from boardsync.servers.memory.server import CAPABILITIES, MemoryServer
    from picture_samples import opened

    clock = SkippingClock()
    server = MemoryServer("server", replace(CAPABILITIES, needs_upright=True), lambda: 0)
    async with world(tmp_path, server, clock) as here:
        here.write("a.jpg", sample(JPEG, "RGB", (30, 20), orientation=6))
        here.write("b.png", sample(PNG, "RGB", (30, 20), seed=5))
        await here.look()

        sizes = sorted(opened(content).size for content in here.contents())
        assert sizes == [(20, 30), (30, 20)]
        assert sample(PNG, "RGB", (30, 20), seed=5) in here.contents()
