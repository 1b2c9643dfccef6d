"""Which images of a board are starred, on every version and however many there are."""

from __future__ import annotations

import pytest

from boardsync.errors import ServerBusy, ServerFault
from servers.fake_invokeai import WEB_PAGE, FakeInvokeAI, Fault, proxy_page
from servers.invokeai_kit import on_fake, png


def fill(fake: FakeInvokeAI, board_id: str | None, plain: int, starred: int) -> set[str]:
    """Store images on a board, the starred ones first; return the names of these."""
    images = [fake.store.add_image(png(), board_id) for _ in range(plain + starred)]
    for image in images[:starred]:
        image.starred = True
    return {image.name for image in images[:starred]}


@pytest.mark.parametrize("version", ["5.15.0", "6.0.2", "6.14.2"])
@pytest.mark.parametrize("starred", [0, 49, 50, 51, 700])
async def test_all_stars_of_a_board_are_found(version: str, starred: int) -> None:
    async with on_fake(version) as (server, fake):
        board = fake.store.add_board("one")
        names = fill(fake, board.board_id, 5, starred)
        fill(fake, None, 5, 5)
        assert await server.starred(board.board_id) == names


async def test_of_a_large_board_with_few_stars_one_short_page_is_read() -> None:
    async with on_fake() as (server, fake):
        names = fill(fake, None, 200, 3)
        assert await server.starred(None) == names
        assert [request.param("limit") for request in fake.log] == ["50"]


async def test_a_starred_intermediate_does_not_count() -> None:
    async with on_fake() as (server, fake):
        fake.store.add_image(png(), intermediate=True).starred = True
        assert await server.starred(None) == set()


@pytest.mark.parametrize(
    ("fault", "error"), [(WEB_PAGE, ServerFault), (proxy_page(502), ServerBusy)]
)
async def test_stars_that_cannot_be_told_now_are_not_taken_for_none(
    fault: Fault, error: type[Exception]
) -> None:
    async with on_fake() as (server, fake):
        fill(fake, None, 0, 60)
        fake.inject("images", fault)
        with pytest.raises(error):
            await server.starred(None)
