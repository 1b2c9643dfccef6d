"""Deleting boards: what is asked, what is kept, and what is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from boardsync.cli.board_deletion import end_board, find_doomed
from cli.command_kit import Cli, on_terminal
from servers.fake_invokeai import FakeInvokeAI, status
from servers.fake_invokeai_store import FakeBoard
from servers.invokeai_kit import png


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI().in_thread() as fake:
        yield fake


@pytest.fixture
def cli(fake: FakeInvokeAI) -> Cli:
    return Cli(fake.url)


@pytest.fixture
def board(fake: FakeInvokeAI) -> FakeBoard:
    """A board with two images, one of them intermediate."""
    board = fake.store.add_board("Art")
    fake.store.add_image(png(), board.board_id)
    fake.store.add_image(png(), board.board_id, intermediate=True)
    return board


def test_the_images_of_a_deleted_board_are_kept(
    fake: FakeInvokeAI, cli: Cli, board: FakeBoard
) -> None:
    names = sorted(board.names)
    told = cli.json("boards", "delete", "Art", "--yes")
    assert told["deleted"] is True
    assert sorted(told["released"]) == names
    assert fake.store.boards == {}
    assert sorted(fake.store.images) == names


def test_images_go_with_their_board_when_asked_for_and_are_shown_before(
    fake: FakeInvokeAI, cli: Cli, board: FakeBoard
) -> None:
    names = sorted(board.names)
    result = cli("boards", "delete", "Art", "--with-images", "--yes")
    assert result.exit_code == 0
    assert "and 2 images" in result.stderr
    assert all(name in result.stderr for name in names)
    assert (fake.store.boards, fake.store.images) == ({}, {})


@pytest.mark.parametrize("more", [(), ("--with-images",)])
def test_without_a_terminal_and_without_yes_nothing_is_even_asked(
    more: tuple[str, ...], fake: FakeInvokeAI, cli: Cli, board: FakeBoard
) -> None:
    result = cli("boards", "delete", "Art", *more)
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert not fake.requests


def test_a_person_can_say_no(fake: FakeInvokeAI, board: FakeBoard) -> None:
    words = ["boards", "delete", "Art", "--with-images", "--url", fake.url]
    result = on_terminal(words, "n")
    assert result.returncode == 1
    assert "Nothing was deleted." in result.stderr
    assert board.board_id in fake.store.boards
    assert len(fake.store.images) == 2


def test_a_person_can_say_yes(fake: FakeInvokeAI, board: FakeBoard) -> None:
    words = ["boards", "delete", "Art", "--with-images", "--url", fake.url]
    result = on_terminal(words, "y")
    assert result.returncode == 0, result.stderr
    assert (fake.store.boards, fake.store.images) == ({}, {})


def test_a_board_stays_while_images_of_it_do(
    fake: FakeInvokeAI, cli: Cli, board: FakeBoard
) -> None:
    fake.inject("delete_images", status(500))
    told = cli.json("boards", "delete", "Art", "--with-images", "--yes", code=1)
    assert told["deleted"] is False
    assert {result["outcome"] for result in told["results"]} == {"unreachable"}
    assert board.board_id in fake.store.boards


async def test_images_that_came_after_the_answer_are_kept() -> None:
    async with FakeInvokeAI() as fake, fake.client() as client:
        board = fake.store.add_board("Art")
        fake.store.add_image(png(), board.board_id)
        doomed = await find_doomed("Art", client)
        late = fake.store.add_image(png(), board.board_id)
        ended = await end_board(doomed, True, client)
        assert ended.deleted
        assert list(ended.released) == [late.name]
        assert list(fake.store.images) == [late.name]
        assert fake.store.boards == {}


def test_many_names_are_shown_in_part_with_their_count(
    fake: FakeInvokeAI, cli: Cli, board: FakeBoard
) -> None:
    for _ in range(60):
        fake.store.add_image(png(), board.board_id)
    result = cli("boards", "delete", "Art", "--with-images", "--yes")
    assert "and 62 images" in result.stderr
    assert "... and 12 more" in result.stderr
