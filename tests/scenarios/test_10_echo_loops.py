"""10. Echo loops: after two rounds nothing is done any more, and both versions are kept."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.formats import JPEG
from engine.world import SkippingClock, picture
from picture_samples import sample
from scenarios.ground import PASSING_ON, DirectoryHands, Ground, ground, idle, mirrored, shown

FILES = 8
EVERYTHING = {"marked": True, "categories": ["general", "user"]}


async def require_rest(*mirrors: Ground) -> None:
    """Two rounds of all mirrors may do something; then none does."""
    for _ in range(2):
        for one in mirrors:
            await one.look()
    for one in mirrors:
        result = await one.look()
        assert idle(result), result
        assert one.told()["condition"] == "synced"


@contextlib.asynccontextmanager
async def two_on_one_board(
    base: Path, kind: str, **mirror: object
) -> AsyncIterator[tuple[Ground, Ground]]:
    """Two daemons, each with a folder, a state and an id of its own, on one board."""
    (base / "one").mkdir()
    (base / "other").mkdir()
    async with ground(base / "one", kind, id="one", **mirror) as one:
        other_base = base / "other"
        async with mirrored(other_base, one.hands, one.clock, id="other", **mirror) as other:
            yield one, other


async def test_what_is_pulled_into_the_watched_folder_is_not_sent_back(here: Ground) -> None:
    await here.fill(FILES)
    for seed in range(20, 25):
        here.hands.put(f"output-{seed}.png", picture(seed))
    sent = here.server.sent

    await require_rest(here)

    assert here.server.sent == sent
    wanted = [*range(FILES), *range(20, 25)]
    assert here.shows(wanted)
    assert here.holds_files(wanted)


async def test_two_daemons_on_one_board_come_to_rest(tmp_path: Path, kind: str) -> None:
    async with two_on_one_board(tmp_path, kind, policies=PASSING_ON) as (one, other):
        for seed in range(FILES):
            one.write(f"one-{seed}.png", seed=seed)
            other.write(f"other-{seed}.png", seed=seed + 40)

        await require_rest(one, other)

        assert one.shows([*range(FILES), *range(40, 40 + FILES)])
        assert one.hands.trash() == []


async def test_two_daemons_that_pull_everything_come_to_rest(tmp_path: Path, kind: str) -> None:
    async with two_on_one_board(tmp_path, kind, pull=EVERYTHING) as (one, other):
        one.write("a.png", seed=1)
        other.write("b.png", seed=2)
        other.write("same.png", seed=3)
        one.write("the same.png", seed=3)

        await require_rest(one, other)

        assert {shown(each) for each in one.hands.contents().values()} == {
            shown(picture(seed)) for seed in (1, 2, 3)
        }
        for mirror in (one, other):
            assert {shown(each) for each in mirror.local().values()} == {
                shown(picture(seed)) for seed in (1, 2, 3)
            }


@pytest.mark.parametrize("kind", ["named", "directory"], indirect=True)
async def test_edits_on_both_sides_keep_both_versions(here: Ground) -> None:
    await here.fill(FILES)
    here.write("0/0000.png", seed=30)
    here.hands.remove("0/0000.png") if "0/0000.png" in here.hands.contents() else None
    here.hands.put("0/0000.png", picture(31))

    await require_rest(here)

    wanted = {shown(picture(seed)) for seed in (*range(1, FILES), 30, 31)}
    assert {shown(each) for each in here.local().values()} == wanted
    assert {shown(each) for each in here.hands.contents().values()} == wanted


async def test_a_server_that_reencodes_is_no_source_of_new_pictures(tmp_path: Path) -> None:
    """Even with everything pulled, a picture that came back other bytes is the same picture."""
    async with ground(tmp_path, "invokeai", pull=EVERYTHING) as here:
        for seed in range(FILES):
            here.write(f"{seed}.jpg", sample(JPEG, "RGB", (40, 30), seed=seed))

        await require_rest(here)

        assert (len(here.local()), len(here.hands.contents())) == (FILES, FILES)
        await here.restart(lose_state=True)
        await require_rest(here)
        assert (len(here.local()), len(here.hands.contents())) == (FILES, FILES)


async def test_a_folder_that_is_another_mirrors_board_comes_to_rest(tmp_path: Path) -> None:
    """A chain: the board of the first is the folder of the second, whose pictures come back."""
    clock = SkippingClock()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = (DirectoryHands(tmp_path / name / "server") for name in ("one", "two"))
    async with mirrored(tmp_path / "one", first, clock, id="one") as one:
        one.write("a.png", seed=1)
        await one.look()
        board = str(tmp_path / "one" / "server" / "board")
        async with mirrored(tmp_path / "two", second, clock, id="two", folder=board) as two:
            second.put("b.png", picture(2))

            for _ in range(2):
                await two.look()
                await one.look()
            assert idle(await one.look())
            assert idle(await two.look())

            seeds = {shown(picture(seed)) for seed in (1, 2)}
            assert {shown(each) for each in one.local().values()} == seeds
            assert {shown(each) for each in second.contents().values()} == seeds
