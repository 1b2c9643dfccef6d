"""Listing and describing boards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.command_kit import Cli
from servers.fake_invokeai import FakeInvokeAI
from servers.invokeai_kit import png


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI().in_thread() as fake:
        yield fake


@pytest.fixture
def cli(fake: FakeInvokeAI) -> Cli:
    return Cli(fake.url)


def test_boards_are_listed_with_their_counts_and_archived_ones(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    art, old = fake.store.add_board("Art"), fake.store.add_board("Old")
    old.archived = True
    fake.store.add_image(png(), art.board_id)
    fake.store.add_image(png(), art.board_id, category="user")
    fake.store.add_image(png(), art.board_id, category="mask")
    listed = cli.json("boards", "list")["boards"]
    assert [board["name"] for board in listed] == ["Art", "Old"]
    assert (listed[0]["images"], listed[0]["assets"]) == (1, 2)
    assert [board["archived"] for board in listed] == [False, True]
    live = cli.json("boards", "list", "--no-archived")["boards"]
    assert [board["name"] for board in live] == ["Art"]


def test_uncategorized_is_listed_when_asked_for_under_the_word_for_it(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    fake.store.add_image(png())
    [uncategorized] = cli.json("boards", "list", "--uncategorized")["boards"]
    assert (uncategorized["board_id"], uncategorized["images"]) == ("none", 1)
    assert cli.json("boards", "show", "none") == uncategorized
    assert cli.json("boards", "list")["boards"] == []


def test_what_a_server_does_not_have_is_left_out() -> None:
    with FakeInvokeAI("6.0.2").in_thread() as fake:
        fake.store.add_board("Art")
        board = Cli(fake.url).json("boards", "show", "Art")
    told = {"board_id", "name", "images", "archived", "created_ms", "updated_ms"}
    assert board.keys() == told


def test_a_board_goes_by_its_id_and_by_its_name(fake: FakeInvokeAI, cli: Cli) -> None:
    art = fake.store.add_board("Art")
    by_name = cli.json("boards", "show", "Art")
    assert by_name["board_id"] == art.board_id
    assert cli.json("boards", "show", art.board_id) == by_name
    assert art.board_id in cli("boards", "show", "Art").stdout


def test_a_board_that_is_really_named_none_goes_by_its_id(fake: FakeInvokeAI, cli: Cli) -> None:
    odd = fake.store.add_board("none")
    assert cli.json("boards", "show", "none")["board_id"] == "none"
    assert cli.json("boards", "show", odd.board_id)["name"] == "none"


def test_a_shared_name_is_answered_with_the_ids(fake: FakeInvokeAI, cli: Cli) -> None:
    twins = [fake.store.add_board("Twin") for _ in range(2)]
    result = cli("boards", "show", "Twin")
    assert result.exit_code == 1
    assert all(board.board_id in result.stderr for board in twins)


def test_an_unknown_name_is_answered_with_the_nearest(fake: FakeInvokeAI, cli: Cli) -> None:
    fake.store.add_board("Landscapes")
    result = cli("boards", "show", "Landscape")
    assert result.exit_code == 1
    assert "'Landscapes'" in result.stderr


def test_the_terminal_obeys_no_name_of_a_board(fake: FakeInvokeAI, cli: Cli) -> None:
    fake.store.add_board("\x1b[2Jgone")
    assert "\x1b" not in cli("boards", "list").stdout
