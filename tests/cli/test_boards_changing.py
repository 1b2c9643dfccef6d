"""Making boards and changing them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.command_kit import Cli
from servers.fake_invokeai import LOST, FakeInvokeAI


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI().in_thread() as fake:
        yield fake


@pytest.fixture
def cli(fake: FakeInvokeAI) -> Cli:
    return Cli(fake.url)


def test_a_board_is_made_with_the_visibility_that_was_asked_for(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    made = cli.json("boards", "create", "Art", "--visibility", "shared")
    board = fake.store.boards[made["board"]["board_id"]]
    assert (board.name, board.visibility) == ("Art", "shared")
    assert "has no effect" in made["remarks"][0]


def test_private_is_the_same_as_its_visibility(fake: FakeInvokeAI, cli: Cli) -> None:
    made = cli.json("boards", "create", "Diary", "--private")
    assert made["board"]["visibility"] == "private"


def test_privacy_that_a_server_lacks_is_told_and_not_claimed() -> None:
    with FakeInvokeAI("6.8.1").in_thread() as fake:
        result = Cli(fake.url)("boards", "create", "Diary", "--private")
        assert [board.name for board in fake.store.boards.values()] == ["Diary"]
    assert result.exit_code == 0
    assert "visibility is not supported" in result.stderr


def test_contradicting_visibilities_make_no_board(fake: FakeInvokeAI, cli: Cli) -> None:
    result = cli("boards", "create", "Art", "--private", "--visibility", "public")
    assert result.exit_code == 2
    assert fake.store.boards == {}


def test_a_lost_answer_does_not_invite_to_make_the_board_twice(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    fake.inject("create_board", LOST)
    result = cli("boards", "create", "Art")
    assert result.exit_code == 1
    assert "look with `boardsync boards list`" in result.stderr
    assert fake.requests["create_board"] == 1


def test_a_board_is_renamed_archived_and_shown_to_others(fake: FakeInvokeAI, cli: Cli) -> None:
    board = fake.store.add_board("Draft")
    assert cli.json("boards", "rename", "Draft", "Final")["name"] == "Final"
    assert cli.json("boards", "archive", "Final")["archived"] is True
    assert cli.json("boards", "unarchive", "Final")["archived"] is False
    assert cli.json("boards", "visibility", "Final", "public")["visibility"] == "public"
    assert (board.name, board.archived, board.visibility) == ("Final", False, "public")


def test_people_are_told_which_board_was_changed(fake: FakeInvokeAI, cli: Cli) -> None:
    board = fake.store.add_board("Draft")
    result = cli("boards", "archive", board.board_id)
    assert result.stdout == f"Board 'Draft' ({board.board_id}): archived.\n"


@pytest.mark.parametrize(
    "words",
    [
        ("rename", "none", "Other"),
        ("archive", "none"),
        ("unarchive", "none"),
        ("visibility", "none", "public"),
        ("delete", "none", "--yes"),
        ("delete", "none", "--with-images", "--yes"),
    ],
)
def test_uncategorized_is_left_as_it_is_before_anything_is_asked(
    words: tuple[str, ...], fake: FakeInvokeAI, cli: Cli
) -> None:
    result = cli("boards", *words)
    assert result.exit_code == 2
    assert "Uncategorized" in result.stderr
    assert not fake.requests


def test_a_board_that_is_named_none_can_be_renamed_by_its_id(fake: FakeInvokeAI, cli: Cli) -> None:
    board = fake.store.add_board("none")
    assert cli.json("boards", "rename", board.board_id, "Odd")["name"] == "Odd"
