"""Mirrors that prepare what they send: each picture once, whatever is lost or changed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.again import again, again_all
from boardsync.engine.hands import Hands
from boardsync.engine.why import why
from boardsync.formats import JPEG, PNG, WEBP, sniff
from boardsync.formats.kept import without_private
from boardsync.metadata import read_content
from boardsync.model import ActionKind
from boardsync.picture import decode
from boardsync.state import transfers
from picture_samples import noise, opened, sample
from scenarios.ground import Ground, ground

SIZE = (60, 40)
TEXT = "a fox\nSteps: 20, Sampler: Euler, Seed: 7"
TO_JPEG = {"fit": "30x30", "convert": "jpeg"}
RECIPE = "decoded+fit30x30;jpeg90"

IN_MEMORY = [pytest.param(kind, marks=pytest.mark.real) for kind in ("named", "memory")]
KINDS = ["directory", "invokeai", *IN_MEMORY]
NAMED = ["directory", IN_MEMORY[0]]


def large(seed: int = 1, **traits: Any) -> bytes:
    return sample(PNG, "RGB", SIZE, seed=seed, text=(("parameters", TEXT),), **traits)


def names(here: Ground) -> list[str]:
    return sorted(here.hands.contents())


def tell(here: Ground, subject: str) -> dict[str, Any]:
    return why(here.assembly.settings, here.state, subject)[0]


async def ask(here: Ground, path: str | None = None) -> None:
    """Do what `boardsync again` does."""
    if path is None:
        await again_all(here.assembly, "m")
    else:
        await again(here.assembly.mirrors[0], path)


@pytest.fixture(params=KINDS)
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ground]:
    async with ground(tmp_path, request.param, prepare=TO_JPEG) as made:
        yield made


@pytest.fixture(params=NAMED)
async def named(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ground]:
    async with ground(tmp_path, request.param, prepare=TO_JPEG) as made:
        yield made


async def test_pictures_arrive_as_asked_and_once(here: Ground) -> None:
    for seed in range(6):
        here.write(f"sub/{seed}.png", large(seed))

    assert (await here.look()).uploaded == 6
    assert (await here.settled()).synced == 6

    assert here.server.sent == 6
    sizes = {opened(content).size for content in here.hands.contents().values()}
    assert sizes == {(30, 20)}
    assert here.local() == {f"sub/{seed}.png": large(seed) for seed in range(6)}


async def test_a_lost_state_sends_nothing_again(here: Ground) -> None:
    for seed in range(6):
        here.write(f"{seed}.png", large(seed))
    await here.settled()

    await here.restart(lose_state=True)

    assert (await here.settled()).synced == 6
    assert here.server.sent == 6
    assert len(names(here)) == 6
    assert tell(here, "1.png")["links"][0]["recipe"] == RECIPE


async def test_another_recipe_sends_nothing_again_unless_asked(here: Ground) -> None:
    for seed in range(4):
        here.write(f"{seed}.png", large(seed))
    await here.settled()
    await here.change(prepare={"fit": "15x15", "convert": "png"})
    assert (await here.settled()).synced == 4
    assert here.server.sent == 4

    await ask(here, "2.png")
    assert (await here.settled(4)).synced == 4
    assert here.server.sent == 5
    assert sorted(opened(one).size for one in here.hands.contents().values()) == [
        (15, 10), *[(30, 20)] * 3
    ]  # fmt: skip
    assert tell(here, "2.png")["links"][0]["recipe"] == "fit15x15;png"

    await ask(here)
    assert (await here.settled(4)).synced == 4
    assert here.server.sent == 8
    assert {opened(one).size for one in here.hands.contents().values()} == {(15, 10)}
    assert len(here.hands.trash()) == 4

    await ask(here)
    assert (await here.settled()).synced == 4
    assert here.server.sent == 8


async def test_without_the_section_again_sends_what_was_asked_for_before(here: Ground) -> None:
    here.write("a.png", large())
    await here.settled()
    await here.change(prepare=None)
    assert (await here.settled()).synced == 1
    await ask(here)
    assert (await here.settled(4)).synced == 1
    assert (here.server.sent, len(names(here))) == (2, 1)
    assert opened(next(iter(here.hands.contents().values()))).size == SIZE

    await ask(here)
    with here.state.read() as connection:
        assert transfers.count(connection, [here.assembly.mirrors[0].number]) == 0


async def test_one_picture_at_two_paths_is_sent_again_once(here: Ground) -> None:
    here.write("a.png", large())
    here.write("b.png", large())
    assert (await here.settled()).synced == 2
    await here.change(prepare={"fit": "15x15"})
    await ask(here)
    assert (await here.settled(4)).synced == 2
    assert (here.server.sent, len(names(here))) == (2, 1)


async def test_what_would_be_refused_now_stays_as_it_was_sent(here: Ground) -> None:
    here.write("a.png", large())
    await here.settled()
    before = here.hands.contents()
    await here.change(prepare={"refuse_above": 50})
    await ask(here)
    assert (await here.settled()).synced == 1
    assert here.hands.contents() == before


async def test_a_refusal_is_told_and_forgiven_when_the_settings_change(here: Ground) -> None:
    here.write("small.png", sample(PNG))
    await here.settled()
    await here.change(prepare={"refuse_above": 50})
    here.write("a.png", large())
    result = await here.look()
    assert result.refused == 1
    assert "60x40 pixels" in tell(here, "a.png")["verdict"]
    assert "prepare.refuse_above" in tell(here, "a.png")["verdict"]
    await here.restart()
    assert (await here.look()).refused == 1

    await here.change(prepare={"refuse_above": 60})

    result = await here.look()
    assert (result.refused, result.uploaded) == (0, 1)


async def test_heic_is_tried_again_once_its_decoder_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    packed = BytesIO()
    noise("RGB", (64, 48)).save(packed, "HEIF", quality=90)
    async with ground(tmp_path, "invokeai") as here:
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "pillow_heif", None)
            decode._load_heif.cache_clear()
            await here.restart()
            here.write("a.heic", packed.getvalue())
            assert (await here.look()).refused == 1
            assert "pip install 'boardsync[heif]'" in tell(here, "a.heic")["verdict"]
        decode._load_heif.cache_clear()
        await here.restart()
        assert (await here.look()).uploaded == 1


async def test_the_recipe_is_in_the_mark_and_told(here: Ground) -> None:
    here.write("a.png", large())
    await here.settled()
    told = tell(here, "a.png")
    assert told["verdict"].endswith(f", prepared: {RECIPE}")
    item = tell(here, told["links"][0]["item_id"])
    assert item["mark"]["recipe"] == RECIPE
    assert item["mark"]["sent"] != item["mark"]["file"]


async def test_prompts_arrive_with_what_is_converted(named: Ground) -> None:
    named.write("a.png", large())
    await named.settled()
    data = read_content(named.hands.contents()["a.jpg"])
    assert data.seed is not None
    assert data.seed.value == 7


async def test_the_items_name_has_the_new_extension(named: Ground) -> None:
    named.write("a.PNG", large(1))
    named.write("sub/b.tar.webp", sample(WEBP, "RGB", SIZE))
    named.write("c.jpeg", sample(JPEG, "RGB", (8, 8)))
    named.write("d.jpeg", sample(JPEG, "RGB", SIZE))
    await named.settled()
    assert names(named) == ["a.jpg", "c.jpeg", "d.jpeg", "sub/b.tar.jpg"]
    assert all(sniff(content) is JPEG for content in named.hands.contents().values())


async def test_pictures_that_get_the_same_name_are_all_kept(named: Ground) -> None:
    named.write("a.png", large(1))
    named.write("a.webp", sample(WEBP, "RGB", SIZE, seed=2))
    named.write("a.jpg", sample(JPEG, "RGB", SIZE, seed=3))
    same = sample(PNG, "RGB", (8, 8), seed=4)
    named.write("b.png", same)
    named.write("b.bmp", _as_bmp())
    assert (await named.settled()).synced == 5
    assert names(named) == ["a (2).jpg", "a (3).jpg", "a.jpg", "b (2).jpg", "b.jpg"]
    await named.restart(lose_state=True)
    assert (await named.settled()).synced == 5
    assert named.server.sent == 5


def _as_bmp() -> bytes:
    """The same pixels as the PNG beside it: so both make the same JPEG."""
    packed = BytesIO()
    noise("RGB", (8, 8), seed=4).save(packed, "BMP")
    return packed.getvalue()


async def test_a_renamed_file_renames_its_converted_item(named: Ground) -> None:
    path = named.write("a.png", large())
    await named.settled()
    path.rename(named.folder / "b.png")
    assert (await named.settled()).synced == 1
    assert names(named) == ["b.jpg"]
    (named.folder / "b.png").rename(named.folder / "c.jpeg")
    await named.settled()
    assert names(named) == ["c.jpeg"]
    assert named.server.sent == 1


async def test_new_content_takes_the_place_of_the_converted_item(named: Ground) -> None:
    named.write("a.png", large(1))
    await named.settled()
    before = named.hands.contents()
    named.write("a.png", large(2))
    assert (await named.settled()).synced == 1
    assert names(named) == ["a.jpg"]
    assert named.hands.contents() != before
    assert named.hands.trash() == list(before.values())


async def test_new_content_under_another_recipe_gets_the_name_that_fits_it(named: Ground) -> None:
    named.write("a.png", large(1))
    await named.settled()
    await named.change(prepare=None)
    named.write("a.png", large(2))
    assert (await named.settled(4)).synced == 1
    assert named.hands.contents() == {"a.png": large(2)}
    assert len(named.hands.trash()) == 1
    await named.change(prepare=TO_JPEG)
    named.write("a.png", large(3))
    assert (await named.settled(4)).synced == 1
    assert names(named) == ["a.jpg"]
    assert len(named.hands.trash()) == 2


async def test_an_edit_of_a_prepared_item_comes_down_beside_its_file(named: Ground) -> None:
    """A small copy that was edited must not take the place of the large original."""
    named.write("a.png", large())
    await named.settled()
    edited = sample(JPEG, "RGB", (30, 20), seed=9)
    _edit(named, "a.jpg", edited)
    await named.look()
    await named.settled(4)
    assert named.local() == {"a.png": large(), "outputs/a.jpg": edited}
    assert named.hands.contents() == {"a.jpg": edited}
    assert named.server.sent == 1
    words = "left alone: what was made of it, item a.jpg, was changed on the board since"
    assert tell(named, "a.png")["verdict"] == words

    await ask(named, "a.png")
    await named.settled(4)
    assert names(named) == ["a (2).jpg", "a.jpg"]
    assert named.server.sent == 2


async def test_both_sides_changed_both_are_kept(named: Ground) -> None:
    named.write("a.png", large(1))
    await named.settled()
    edited = sample(JPEG, "RGB", (30, 20), seed=9)
    _edit(named, "a.jpg", edited)
    named.write("a.png", large(2))
    await named.settled(5)
    assert named.local() == {"a.png": large(2), "outputs/a.jpg": edited}
    assert names(named) == ["a (2).jpg", "a.jpg"]
    assert named.hands.contents()["a.jpg"] == edited


def _edit(here: Ground, item_id: str, content: bytes) -> None:
    """Write over an item, as another program does."""
    here.hands.remove(item_id)
    here.hands.put(item_id, content)


async def test_a_starred_item_is_not_sent_again(tmp_path: Path) -> None:
    async with ground(tmp_path, "memory", prepare=TO_JPEG) as here:
        here.write("a.png", large())
        await here.settled()
        here.hands.memory.star(names(here)[0])
        before = here.hands.contents()
        await here.change(prepare={"fit": "15x15"})
        await ask(here, "a.png")
        await here.settled()
        assert here.hands.contents() == before


async def test_a_kill_while_a_picture_makes_room_for_itself_sends_it_once(named: Ground) -> None:
    named.write("a.png", large())
    await named.settled()
    await named.change(prepare={"fit": "15x15"})

    def cut(operation: str) -> None:
        if operation == "trash":
            raise asyncio.CancelledError

    await ask(named, "a.png")
    named.server.fail = cut
    with pytest.raises(asyncio.CancelledError):
        await _carry(named)
    named.server.fail = lambda operation: None
    await named.restart()
    assert (await named.settled(4)).synced == 1
    assert (named.server.sent, len(names(named)), len(named.hands.trash())) == (2, 1, 1)


async def _carry(here: Ground) -> None:
    """Carry out what is planned to be sent again, without a carrier that survives."""
    mirror = here.assembly.mirrors[0]
    with here.state.read() as connection:
        found = transfers.due(
            connection, [mirror.number], [ActionKind.SEND_AGAIN], mirror.clock.now_ns(), [], 9
        )
    for transfer in found:
        await Hands(mirror).other(transfer)()


async def test_private_metadata_never_leaves(tmp_path: Path) -> None:
    secret = b"SERIAL-4711"
    async with ground(tmp_path, "directory", prepare={"strip_private": True}) as here:
        told = sample(PNG, text=(("Author", secret.decode()), ("parameters", TEXT)))
        here.write("a.png", told)
        here.write("b.png", large())
        await here.settled()
        sent = here.hands.contents()
        assert sent == {"a.png": without_private(told, PNG), "b.png": large()}
        assert secret not in sent["a.png"]
        assert read_content(sent["a.png"]).found
        assert tell(here, "a.png")["links"][0]["recipe"] == "stripped"


async def test_a_prompt_of_invokeais_own_is_told_to_it_although_the_picture_is_a_jpeg(
    tmp_path: Path,
) -> None:
    metadata = '{"positive_prompt": "a fox", "seed": 7}'
    async with ground(tmp_path, "invokeai", prepare=TO_JPEG) as here:
        here.write("a.png", sample(PNG, "RGB", SIZE, text=(("invokeai_metadata", metadata),)))
        await here.settled()
        image = next(iter(here.hands.fake.store.images.values()))
        told = json.loads(image.metadata)
        assert (told["positive_prompt"], told["boardsync"]["recipe"]) == ("a fox", RECIPE)
