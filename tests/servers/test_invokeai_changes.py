"""Changing images: one truthful result for each name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from boardsync.errors import BoardMissing, NotAuthorised
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.changes import Fate
from servers.fake_http import json_response
from servers.fake_invokeai import DROPPED, LOST, FakeInvokeAI, Fault, status
from servers.invokeai_kit import png


@pytest.fixture
async def fake() -> AsyncIterator[FakeInvokeAI]:
    async with FakeInvokeAI() as fake:
        yield fake


@pytest.fixture
async def client(fake: FakeInvokeAI) -> AsyncIterator[InvokeAIClient]:
    async with fake.client() as client:
        yield client


VERSIONS = ["5.15.0", "6.0.2", "6.13.8", "6.14.2"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_stars_come_and_go_on_every_version(version: str) -> None:
    async with FakeInvokeAI(version) as fake, fake.client() as client:
        image = fake.store.add_image(png())
        [starred] = await client.images.star([image.name])
        assert (starred.fate, starred.reason, image.starred) == (Fate.DONE, "", True)
        [unstarred] = await client.images.unstar([image.name])
        assert (unstarred.fate, image.starred) == (Fate.DONE, False)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_deletion_tells_what_was_deleted_from_what_was_not_there(version: str) -> None:
    async with FakeInvokeAI(version) as fake, fake.client() as client:
        image = fake.store.add_image(png())
        results = await client.images.delete([image.name, "nope.png"])
        assert [result.fate for result in results] == [Fate.DONE, Fate.ABSENT]
        assert not fake.store.images


@pytest.mark.parametrize("version", VERSIONS)
async def test_images_move_between_boards_and_off_them(version: str) -> None:
    async with FakeInvokeAI(version) as fake, fake.client() as client:
        one, two = fake.store.add_board("one"), fake.store.add_board("two")
        image = fake.store.add_image(png(), one.board_id)
        [moved] = await client.images.move([image.name], two.board_id)
        assert (moved.fate, image.board_id) == (Fate.DONE, two.board_id)
        [removed] = await client.images.remove([image.name])
        assert (removed.fate, image.board_id) == (Fate.DONE, None)
        [again] = await client.images.move([image.name], None)
        assert again.fate is Fate.DONE


async def test_results_keep_the_order_and_the_names_as_they_were_given(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    first, second = fake.store.add_image(png()), fake.store.add_image(png())
    stem = second.name.removesuffix(".png")
    results = await client.images.star([stem, "nope", first.name, stem])
    assert [result.name for result in results] == [stem, "nope", first.name]
    assert [result.fate for result in results] == [Fate.DONE, Fate.ABSENT, Fate.DONE]


async def test_no_beginning_of_a_name_is_ever_deleted(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    [result] = await client.images.delete([image.name[:8]])
    assert result.fate is Fate.ABSENT
    assert image.name in fake.store.images


async def test_many_images_are_changed_in_pieces(fake: FakeInvokeAI) -> None:
    names = [fake.store.add_image(png()).name for _ in range(520)]
    async with fake.client() as client:
        results = await client.images.delete(names)
    assert {result.fate for result in results} == {Fate.DONE}
    assert fake.requests["delete_images"] == 2
    assert not fake.store.images


async def test_an_image_of_another_board_is_refused_and_left_alone(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    one, two = fake.store.add_board("one"), fake.store.add_board("two")
    image = fake.store.add_image(png(), one.board_id)
    [result] = await client.images.delete([image.name], two.board_id)
    assert result.fate is Fate.REFUSED
    assert one.board_id in result.reason
    assert image.name in fake.store.images
    assert fake.requests["delete_images"] == 0


async def test_moving_to_a_missing_board_moves_nothing(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    with pytest.raises(BoardMissing):
        await client.images.move([image.name], "nope")
    assert fake.requests["move_many"] == 0


async def test_a_claim_to_have_deleted_is_checked(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    claim = {"deleted_images": [image.name], "affected_boards": []}
    fake.inject("delete_images", Fault(answer=json_response(claim)))
    [result] = await client.images.delete([image.name])
    assert result.fate is Fate.REFUSED
    assert "left image" in result.reason


async def test_a_deletion_whose_answer_is_lost_is_still_told_truthfully(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    fake.inject("delete_images", LOST)
    [result] = await client.images.delete([image.name])
    assert result.fate is Fate.DONE
    assert fake.requests["delete_images"] == 1


async def test_a_deletion_that_never_arrived_is_unreachable(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    fake.inject("delete_images", DROPPED)
    [result] = await client.images.delete([image.name])
    assert result.fate is Fate.UNREACHABLE
    assert image.name in fake.store.images


@pytest.mark.parametrize("code", [403, 422])
async def test_what_the_server_refuses_is_still_there(
    client: InvokeAIClient, fake: FakeInvokeAI, code: int
) -> None:
    image = fake.store.add_image(png())
    fake.inject("delete_images", status(code, "not yours"))
    [result] = await client.images.delete([image.name])
    assert result.fate is Fate.REFUSED
    assert "not yours" in result.reason
    assert image.name in fake.store.images


async def test_maintenance_leaves_the_outcome_to_a_later_try(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    fake.maintenance = True
    [result] = await client.images.star([image.name])
    assert result.fate is Fate.UNREACHABLE
    assert "maintenance" in result.reason


async def test_without_a_server_every_name_is_unreachable(fake: FakeInvokeAI) -> None:
    async with fake.client() as client:
        await fake.stop()
        results = await client.images.delete(["a", "b"])
    assert [result.fate for result in results] == [Fate.UNREACHABLE] * 2


async def test_a_server_that_dies_after_the_change_leaves_it_open(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    fake.inject("records", Fault(answer=json_response([record(image.name)])), status(500))
    [result] = await client.images.delete([image.name])
    assert result.fate is Fate.UNREACHABLE


async def test_an_image_that_vanished_meanwhile_was_not_starred(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.inject("records", Fault(answer=json_response([record("a.png")])))
    [result] = await client.images.star(["a.png"])
    assert result.fate is Fate.ABSENT


async def test_an_image_that_may_not_be_seen_is_refused(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.inject("image", status(403, "private"))
    [result] = await client.images.delete(["a.png"])
    assert result.fate is Fate.REFUSED
    assert "private" in result.reason


async def test_a_login_that_is_wanted_stops_everything(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    image = fake.store.add_image(png())
    fake.inject("delete_images", status(401))
    with pytest.raises(NotAuthorised):
        await client.images.delete([image.name])


async def test_all_uncategorized_images_are_never_deleted_at_once(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    names = [fake.store.add_image(png()).name for _ in range(3)]
    await client.images.delete(names, None)
    assert not any(request.path.endswith("/uncategorized") for request in fake.log)


async def test_a_name_that_is_no_unicode_is_simply_not_there(client: InvokeAIClient) -> None:
    [result] = await client.images.delete(["half \udcff.png"])
    assert result.fate is Fate.ABSENT


async def test_no_names_cost_no_requests(client: InvokeAIClient, fake: FakeInvokeAI) -> None:
    assert list(await client.images.delete([])) == []
    assert not fake.requests


def record(name: str) -> dict[str, object]:
    return {"image_name": name, "board_id": None, "starred": False}
